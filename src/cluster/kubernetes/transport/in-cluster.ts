import { access as probe } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import type { Access } from './access.ts';
import { credentialError } from './credential-file.ts';

/** Where a Pod finds the token of its ServiceAccount. */
export const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Access by the ServiceAccount of the Pod that this process runs in. Rejects when it runs in none. */
export async function inClusterAccess(
  folder: string,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<Access> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = variables;
  const token = join(folder, 'token');
  const mounted = await probe(token).then(
    () => true,
    () => false,
  );
  if (!mounted || !host || !port) {
    throw credentialError(
      'No kubeconfig is named and no ServiceAccount is mounted: ' +
        'set cluster.kubernetes.kubeconfig, or run in a Pod with a ServiceAccount',
    );
  }
  return {
    origin: `ServiceAccount in "${folder}"`,
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    authority: { field: 'ca.crt', file: join(folder, 'ca.crt') },
    serverName: undefined,
    verify: true,
    proxyUrl: undefined,
    certificate: undefined,
    key: undefined,
    token: { field: 'token', file: token },
    basic: undefined,
    impersonation: {},
    exec: undefined,
    provider: undefined,
  };
}
