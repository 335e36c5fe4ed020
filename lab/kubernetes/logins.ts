import { writeFileSync } from 'node:fs';
import type { ApiClient } from './api-client.ts';
import type { Credentials } from './credentials.ts';
import { type Identity, kubeconfigText } from './kubeconfig.ts';

/** The API server grants no less than ten minutes. */
const TOKEN_LIFETIME_SEC = 3600;

/**
 * The admin by token, somebody by certificate (`system:node:n1` in `system:nodes`), or a service
 * account that exists.
 */
export type User =
  | 'admin'
  | { readonly name: string; readonly groups?: readonly string[] }
  | { readonly serviceAccount: { readonly namespace: string; readonly name: string } };

/** Ways for users to log in to a control plane. */
export interface Logins {
  /** Path of a kubeconfig; for another server (a proxy) of the same authority when `server` is set. */
  kubeconfigFor(user: User, server?: string): Promise<string>;
  /** A bearer token of a service account that exists. */
  tokenFor(namespace: string, name: string): Promise<string>;
}

/** Writes its files into `folder`; `client` is the admin's. */
export function createLogins(options: {
  readonly folder: string;
  readonly url: string;
  readonly credentials: Credentials;
  readonly client: ApiClient;
}): Logins {
  const { folder, url, credentials, client } = options;
  const tokenFor: Logins['tokenFor'] = async (namespace, name) => {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const spec = { expirationSeconds: TOKEN_LIFETIME_SEC };
    return (await client.must('POST', path, { spec })).status.token;
  };
  const identify = async (user: User): Promise<Identity> => {
    if (user === 'admin') return { token: credentials.adminToken };
    if ('serviceAccount' in user) {
      const { namespace, name } = user.serviceAccount;
      return { token: await tokenFor(namespace, name) };
    }
    const subject = { commonName: user.name, organizations: user.groups ?? [] };
    return { certificate: await credentials.authority.issue(subject) };
  };
  let files = 0;
  return {
    tokenFor,
    kubeconfigFor: async (user, server = url) => {
      const text = kubeconfigText({ server, ca: credentials.ca, identity: await identify(user) });
      files += 1;
      const path = `${folder}/kubeconfig-${files}`;
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    },
  };
}
