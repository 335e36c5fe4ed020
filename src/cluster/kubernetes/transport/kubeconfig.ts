import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { User } from '@kubernetes/client-node/dist/config_types.js';
import { parseManifestText } from '../../files/manifest-text.ts';
import type { Access, Material } from './access.ts';
import { credentialError, readCredentialFile } from './credential-file.ts';
import type { ExecPlugin } from './exec-plugin.ts';

type Mapping = Readonly<Record<string, unknown>>;

/**
 * Reads what a kubeconfig says of one context (its current one when undefined). The files that it
 * names are not read yet. Rejects with ApiError (`Credentials`) that names file and field.
 */
export async function readKubeconfig(path: string, context: string | undefined): Promise<Access> {
  const origin = `Kubeconfig "${path}"`;
  const text = (await readCredentialFile(path, origin)).toString();
  const config = parseConfig(text, origin);
  const name = context ?? config['current-context'];
  if (typeof name !== 'string' || name === '') {
    throw credentialError(
      `${origin}: current-context is not set; set it, or cluster.kubernetes.context`,
    );
  }
  const links = inner(entryOf(config, 'contexts', name, origin), 'context', origin);
  const clusterEntry = entryOf(config, 'clusters', textOf(links, 'cluster'), origin);
  const userEntry = entryOf(config, 'users', textOf(links, 'user'), origin);
  return toAccess(clusterEntry, userEntry, { origin, folder: dirname(resolve(path)) });
}

function parseConfig(text: string, origin: string): Mapping {
  const parsed = parseManifestText(text);
  if ('error' in parsed) {
    // The parser's messages may quote the text, which may be a token: where it fails is enough.
    const { line, column } = parsed.position;
    throw credentialError(`${origin} is not YAML: see line ${line}, column ${column}`);
  }
  const [document] = parsed.documents;
  if (!isMapping(document?.value) || parsed.documents.length > 1) {
    throw credentialError(`${origin} must be one mapping of kind Config`);
  }
  return document.value;
}

function entryOf(config: Mapping, list: string, name: string, origin: string): Mapping {
  const entries = config[list];
  const found = Array.isArray(entries)
    ? entries.find((entry) => isMapping(entry) && entry['name'] === name)
    : undefined;
  if (found !== undefined) return found;
  const names = (Array.isArray(entries) ? entries : [])
    .map((entry) => (isMapping(entry) ? `"${entry['name']}"` : ''))
    .filter((known) => known !== '');
  const known = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
  throw credentialError(`${origin}: no entry "${name}" in ${list}; ${known}`);
}

/** The mapping inside a named entry; an empty one when it is absent. */
function inner(entry: Mapping, field: string, origin: string): Mapping {
  const value = entry[field] ?? {};
  if (isMapping(value)) return value;
  throw credentialError(`${origin}: ${field} of "${entry['name']}" is not a mapping`);
}

interface Place {
  readonly origin: string;
  /** Relative paths start here. */
  readonly folder: string;
}

/**
 * The client's own reading of entries is 3 ms and 6 MB of resident memory; its `KubeConfig` brings
 * the whole generated API along, from the index as from dist/config.js: 210 to 330 ms and 85 MB that
 * stay. It also keeps the agents that it has made, so that rotated certificates never come into
 * force, and knows neither `tokenFile` nor the environment's proxies. So connections are ours.
 */
async function toAccess(cluster: Mapping, user: Mapping, place: Place): Promise<Access> {
  const { newClusters, newUsers } = await import('@kubernetes/client-node/dist/config_types.js');
  const { origin } = place;
  const raw = inner(user, 'user', origin);
  mustBeText(inner(cluster, 'cluster', origin), TEXT_OF_CLUSTER, `${origin}: cluster`);
  mustBeText(raw, TEXT_OF_USER, `${origin}: user "${user['name']}"`);
  const [whom] = newUsers([user]);
  const [where] = understood(
    () => newClusters([cluster]),
    `${origin}: cluster "${cluster['name']}"`,
  );
  if (where === undefined || whom === undefined) throw new Error('An entry in, none out');
  const server = checkedServer(where.server, `${origin}: cluster "${where.name}"`);
  const clusterFields = inner(cluster, 'cluster', origin);
  const material = (fields: Mapping, data: string, file: string) =>
    materialOf(fields, { data, file }, place);
  return {
    origin,
    server,
    authority: material(clusterFields, 'certificate-authority-data', 'certificate-authority'),
    serverName: where.tlsServerName || undefined,
    verify: !where.skipTLSVerify,
    proxyUrl: where.proxyUrl || undefined,
    certificate: material(raw, 'client-certificate-data', 'client-certificate'),
    key: material(raw, 'client-key-data', 'client-key'),
    token: tokenOf(raw, place),
    basic: whom.username ? { username: whom.username, password: whom.password ?? '' } : undefined,
    impersonation: impersonationOf(raw),
    exec: execOf(raw, clusterFields, place),
    provider: await providerOf(whom, origin),
  };
}

const TEXT_OF_CLUSTER = ['server', 'certificate-authority', 'certificate-authority-data'];
const TEXT_OF_USER = [
  ...['client-certificate', 'client-certificate-data', 'client-key', 'client-key-data'],
  ...['token', 'tokenFile', 'username', 'password', 'as', 'as-uid'],
];

function mustBeText(fields: Mapping, names: readonly string[], where: string) {
  for (const name of names) {
    const value = fields[name] ?? '';
    if (typeof value !== 'string')
      throw credentialError(`${where}: ${name} must be text; quote it`);
  }
}

function understood<T>(read: () => T, where: string): T {
  try {
    return read();
  } catch (cause) {
    throw credentialError(`${where}: ${(cause as Error).message}`);
  }
}

function checkedServer(server: string, where: string): string {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  const known = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (url !== undefined && known && url.username === '' && url.password === '') return server;
  throw credentialError(`${where}: server must be https://host:port, without a user in it`);
}

/** Data goes before a file, as it does for kubectl. */
function materialOf(
  fields: Mapping,
  names: { readonly data: string; readonly file: string },
  { origin, folder }: Place,
): Material | undefined {
  const data = textOf(fields, names.data);
  if (data !== '') {
    return { field: `${origin}: ${names.data}`, bytes: Buffer.from(data, 'base64') };
  }
  const file = textOf(fields, names.file);
  return file === '' ? undefined : { field: `${origin}: ${names.file}`, file: under(folder, file) };
}

/** A file goes before the token beside it, as it does for kubectl: it is what rotates. */
function tokenOf(fields: Mapping, { origin, folder }: Place): Material | undefined {
  const file = textOf(fields, 'tokenFile');
  if (file !== '') return { field: `${origin}: tokenFile`, file: under(folder, file) };
  const token = textOf(fields, 'token');
  return token === '' ? undefined : { field: `${origin}: token`, bytes: Buffer.from(token) };
}

function impersonationOf(fields: Mapping): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  const name = textOf(fields, 'as');
  const uid = textOf(fields, 'as-uid');
  const groups = fields['as-groups'];
  const extra = fields['as-user-extra'];
  if (name !== '') headers['Impersonate-User'] = name;
  if (uid !== '') headers['Impersonate-Uid'] = uid;
  if (Array.isArray(groups)) headers['Impersonate-Group'] = groups.map(String);
  for (const [key, values] of Object.entries(isMapping(extra) ? extra : {})) {
    headers[`Impersonate-Extra-${encodeURIComponent(key)}`] = [values].flat().map(String);
  }
  return headers;
}

function execOf(user: Mapping, cluster: Mapping, place: Place): ExecPlugin | undefined {
  const exec = user['exec'];
  if (!isMapping(exec)) return undefined;
  const command = textOf(exec, 'command');
  const where = `${place.origin}: exec`;
  if (command === '') throw credentialError(`${where}.command is not set`);
  if (exec['interactiveMode'] === 'Always') {
    throw credentialError(`${where}: "${command}" needs a terminal (interactiveMode Always)`);
  }
  const { args, env } = exec;
  const pairs = (Array.isArray(env) ? env : []).filter(isMapping);
  return {
    apiVersion: textOf(exec, 'apiVersion') || 'client.authentication.k8s.io/v1',
    command: command.includes('/') ? under(place.folder, command) : command,
    args: (Array.isArray(args) ? args : []).map(String),
    variables: Object.fromEntries(
      pairs.map((pair) => [String(pair['name']), String(pair['value'] ?? '')]),
    ),
    cluster: exec['provideClusterInfo'] === true ? cluster : undefined,
    installHint: textOf(exec, 'installHint').trim(),
  };
}

/** `auth-provider`: only `oidc` is left of them in Kubernetes. */
async function providerOf(user: User, origin: string): Promise<Access['provider']> {
  if (!isMapping(user.authProvider)) return undefined;
  if (user.authProvider['name'] !== 'oidc') {
    throw credentialError(
      `${origin}: Kubernetes has given up auth-provider "${user.authProvider['name']}"; ` +
        'use an exec plugin, a token or a client certificate',
    );
  }
  // This one does bring the whole client along; who has it, pays for it.
  const { OpenIDConnectAuth } = await import('@kubernetes/client-node/dist/oidc_auth.js');
  const oidc = new OpenIDConnectAuth();
  return async () => {
    const headers: Record<string, string> = {};
    try {
      await oidc.applyAuthentication(user, { headers } as never);
    } catch (cause) {
      // Messages of the provider may quote its answer.
      throw credentialError(`${origin}: the OpenID provider gave no token`, {
        code: (cause as NodeJS.ErrnoException).code,
      });
    }
    return headers['Authorization'];
  };
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(fields: Mapping, name: string): string {
  const value = fields[name];
  return typeof value === 'string' ? value : '';
}

function under(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}
