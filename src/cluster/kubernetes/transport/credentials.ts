import { createHash } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Clock } from '../../../domain/clock.ts';
import type { Access, Material } from './access.ts';
import { credentialError, readCredentialFile } from './credential-file.ts';
import { type ExecCredential, runExecPlugin } from './exec-plugin.ts';

/** Everything that a request needs: the files of an access read, its plugin run. */
export interface Credentials {
  readonly origin: string;
  readonly server: URL;
  /** Undefined for http://. */
  readonly tls:
    | {
        readonly context: SecureContext;
        readonly name: string;
        readonly verify: boolean;
        /** PEM; undefined: the authorities that Node knows. */
        readonly authority: string | undefined;
      }
    | undefined;
  readonly proxyUrl: string | undefined;
  /** `Authorization`, `Impersonate-…` */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** What must never reach a message. */
  readonly secrets: readonly string[];
  /** Wall clock, ms since 1970, when these should be made anew; undefined: they say nothing. */
  readonly expiresMs: number | undefined;
  /** Changes when connections made before must not be used any more. */
  readonly identity: string;
}

/** Reads what the access names. Rejects with ApiError (`Credentials`) that names file and field. */
export async function loadCredentials(access: Access, clock: Clock): Promise<Credentials> {
  const { origin } = access;
  const plugin = access.exec && (await runExecPlugin(access.exec, origin));
  const ca = await pemOf(access.authority);
  const cert = await pemOf(access.certificate, plugin?.certificate);
  const key = await pemOf(access.key, plugin?.key);
  const token = await tokenOf(access, plugin);
  const authorization = await authorizationOf(access, token);
  const server = new URL(access.server);
  const { verify, serverName, proxyUrl } = access;
  if ((cert === undefined) !== (key === undefined)) {
    throw credentialError(`${origin}: client-certificate and client-key must be set together`);
  }
  const secure = server.protocol === 'https:';
  const name = serverName ?? server.hostname.replace(/^\[|\]$/g, '');
  const parts = [access.server, name, verify, proxyUrl, ...[ca, cert, key].map(String)];
  return {
    origin,
    server,
    tls: secure
      ? { context: contextOf({ ca, cert, key }, origin), name, verify, authority: ca }
      : undefined,
    proxyUrl,
    headers: {
      ...access.impersonation,
      ...(authorization === undefined ? {} : { Authorization: authorization }),
    },
    secrets: secretsOf(access, token, authorization),
    expiresMs: plugin?.expiresMs ?? expiryOf(access, clock),
    identity: createHash('sha256').update(JSON.stringify(parts)).digest('hex'),
  };
}

/** A provider keeps its token fresh by itself, when asked; every so often is enough. */
function expiryOf(access: Access, clock: Clock): number | undefined {
  return access.provider === undefined ? undefined : clock.wallMs() + PROVIDER_INTERVAL_MS;
}
const PROVIDER_INTERVAL_MS = 10_000;

async function authorizationOf(access: Access, token: string | undefined) {
  if (token !== undefined) return `Bearer ${token}`;
  if (access.provider !== undefined) return access.provider();
  if (access.basic === undefined) return undefined;
  const { username, password } = access.basic;
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function secretsOf(access: Access, token: string | undefined, authorization: string | undefined) {
  const secrets = [token, authorization, access.basic?.password];
  return secrets.flatMap((secret) => (secret ? [secret] : []));
}

async function tokenOf(access: Access, plugin: ExecCredential | undefined) {
  if (plugin?.token !== undefined) return checkedToken(plugin.token, `${access.origin}: exec`);
  const { token } = access;
  if (token === undefined) return undefined;
  return checkedToken((await bytesOf(token)).toString(), placeOf(token));
}

/** What cannot stand in a header would fail later, with less to say. */
function checkedToken(text: string, where: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw credentialError(`${where} holds no token: it must be one word of printable ASCII`);
}

async function pemOf(
  material: Material | undefined,
  printed?: string,
): Promise<string | undefined> {
  if (printed !== undefined) return printed;
  if (material === undefined) return undefined;
  const text = (await bytesOf(material)).toString();
  if (text.includes('-----BEGIN ')) return text;
  const form = 'file' in material ? 'PEM' : 'the base64 of PEM';
  throw credentialError(`${placeOf(material)} is not ${form}`);
}

async function bytesOf(material: Material): Promise<Buffer> {
  if ('bytes' in material) return material.bytes;
  return readCredentialFile(material.file, material.field);
}

function placeOf(material: Material): string {
  return 'file' in material ? `${material.field} "${material.file}"` : material.field;
}

function contextOf(
  pem: Readonly<Record<'ca' | 'cert' | 'key', string | undefined>>,
  origin: string,
): SecureContext {
  const given = Object.entries(pem).filter(([, text]) => text !== undefined);
  try {
    return createSecureContext({ ...Object.fromEntries(given), minVersion: 'TLSv1.2' });
  } catch (cause) {
    // OpenSSL's words are about the form, never of the content.
    throw credentialError(
      `${origin}: certificates and key cannot be used: ${(cause as Error).message}`,
      cause,
    );
  }
}
