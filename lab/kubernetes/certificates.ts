import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { promisify } from 'node:util';

/** Longer than any test, shorter than anybody could make use of. */
const LIFETIME_DAYS = '2';
/** Elliptic curve: an RSA key costs seconds. */
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Paths of two PEM files. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate authority that lives in a folder, as long as that. */
export interface Authority {
  /** Path of the authority's own certificate, PEM. */
  readonly certificate: string;
  /**
   * Issues a certificate for servers and clients. To the API server a client is the user
   * `commonName` in the groups `organizations`; a server is found under `hosts` (names, addresses).
   */
  issue(subject: {
    readonly commonName: string;
    readonly organizations?: readonly string[];
    readonly hosts?: readonly string[];
  }): Promise<KeyPair>;
}

export async function createAuthority(folder: string): Promise<Authority> {
  const certificate = `${folder}/ca.crt`;
  const key = `${folder}/ca.key`;
  const self = ['-x509', '-subj', '/CN=tidegate-test', '-keyout', key, '-out', certificate];
  await openssl('req', ...self, '-days', LIFETIME_DAYS, ...NEW_KEY);
  let issued = 0;
  return {
    certificate,
    issue: async ({ commonName, organizations = [], hosts = [] }) => {
      issued += 1;
      const pair = { certificate: `${folder}/${issued}.crt`, key: `${folder}/${issued}.key` };
      const config = `${folder}/${issued}.cnf`;
      writeFileSync(config, describe(commonName, organizations, hosts));
      const signer = ['-x509', '-CA', certificate, '-CAkey', key, '-days', LIFETIME_DAYS];
      const files = ['-config', config, '-keyout', pair.key, '-out', pair.certificate];
      await openssl('req', ...signer, ...NEW_KEY, ...files);
      return pair;
    },
  };
}

/** A key pair that the API server signs the tokens of service accounts with; no certificate. */
export async function createSigningKey(path: string): Promise<void> {
  await openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', path);
}

/** By a configuration and not by `-subj`: user names hold colons and slashes. */
function describe(
  commonName: string,
  organizations: readonly string[],
  hosts: readonly string[],
): string {
  const kind = (host: string) => (/^[\d.]+$|:/.test(host) ? 'IP' : 'DNS');
  return [
    '[req]',
    'prompt = no',
    'distinguished_name = subject',
    'x509_extensions = extensions',
    '[subject]',
    ...organizations.map((organization, i) => `${i}.O = ${organization}`),
    `CN = ${commonName}`,
    '[extensions]',
    'basicConstraints = critical, CA:FALSE',
    'extendedKeyUsage = serverAuth, clientAuth',
    ...(hosts.length > 0
      ? [`subjectAltName = ${hosts.map((host) => `${kind(host)}:${host}`).join(', ')}`]
      : []),
    '',
  ].join('\n');
}

async function openssl(...args: readonly string[]): Promise<void> {
  await promisify(execFile)('openssl', args);
}
