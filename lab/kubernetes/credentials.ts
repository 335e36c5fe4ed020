import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { type Authority, createAuthority, createSigningKey } from './certificates.ts';

/** What the API servers of one control plane share. */
export interface Credentials {
  readonly authority: Authority;
  /** The authority's certificate, PEM. */
  readonly ca: string;
  /** Of the user `admin`, who may do everything. */
  readonly adminToken: string;
  /** File for `--token-auth-file`. */
  readonly tokens: string;
  /** File with the key that signs the tokens of service accounts. */
  readonly signingKey: string;
}

export async function createCredentials(folder: string): Promise<Credentials> {
  const signingKey = `${folder}/service-accounts.key`;
  const [authority] = await Promise.all([createAuthority(folder), createSigningKey(signingKey)]);
  const adminToken = randomUUID();
  const tokens = `${folder}/tokens.csv`;
  writeFileSync(tokens, `${adminToken},admin,admin,system:masters\n`, { mode: 0o600 });
  const ca = readFileSync(authority.certificate, 'utf8');
  return { authority, ca, adminToken, tokens, signingKey };
}
