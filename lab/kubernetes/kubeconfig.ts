import { readFileSync } from 'node:fs';
import type { KeyPair } from './certificates.ts';

/** How a client says who it is. */
export type Identity = { readonly token: string } | { readonly certificate: KeyPair };

/** The text of a kubeconfig with one cluster, nothing in other files. */
export function kubeconfigText(options: {
  readonly server: string;
  /** PEM. */
  readonly ca: string;
  readonly identity: Identity;
}): string {
  const { server, ca, identity } = options;
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [{ name: 'test', user: describe(identity) }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  });
}

function describe(identity: Identity): object {
  if ('token' in identity) return { token: identity.token };
  const { certificate, key } = identity.certificate;
  return {
    'client-certificate-data': base64(readFileSync(certificate)),
    'client-key-data': base64(readFileSync(key)),
  };
}

function base64(data: string | Buffer): string {
  return Buffer.from(data).toString('base64');
}
