import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import { loadCredentials } from '../../../../src/cluster/kubernetes/transport/credentials.ts';
import { readKubeconfig } from '../../../../src/cluster/kubernetes/transport/kubeconfig.ts';
import { fakeClock } from '../../../support/fake-clock.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidegate-kubeconfig-'));
test.after.always(() => rmSync(folder, { recursive: true }));
let files = 0;

function write(text: string): string {
  files += 1;
  const path = join(folder, `${files}`);
  writeFileSync(path, text);
  return path;
}

function config(cluster: string, user: string): string {
  return `
clusters: [{name: c, cluster: ${cluster}}, {name: other}]
users: [{name: u, user: ${user}}, {name: broken, user: 7}]
contexts:
- {name: x, context: {cluster: c, user: u}}
- {name: y, context: {cluster: other, user: u}}
current-context: x
`;
}

/** All that is done before the first request. */
async function load(text: string, context?: string) {
  return loadCredentials(await readKubeconfig(write(text), context), fakeClock());
}

const SERVER = '{server: "https://10.0.0.1:6443"}';

test('readKubeconfig() takes the context that is asked for, else the current one', async (t) => {
  const text = `${config(SERVER, '{token: a}')}`.replace(
    '{name: other}',
    '{name: other, cluster: {server: "https://10.0.0.2/"}}',
  );
  t.is((await load(text)).server.href, 'https://10.0.0.1:6443/');
  t.is((await load(text, 'y')).server.href, 'https://10.0.0.2/');
});

test('readKubeconfig() finds files relative to its own folder', async (t) => {
  writeFileSync(join(folder, 'token-file'), 'abc');
  const access = await readKubeconfig(
    write(config(SERVER, '{tokenFile: token-file, exec: {command: ./bin/plugin}}')),
    undefined,
  );
  t.is(access.token && 'file' in access.token && access.token.file, join(folder, 'token-file'));
  t.is(access.exec?.command, join(folder, 'bin/plugin'));
});

for (const [what, text, pattern, context] of [
  ['is no YAML', 'users: [{token: c2VjcmV0', /is not YAML: see line 1, column 25$/],
  ['is a list', '[]', /must be one mapping/],
  ['is empty', '', /must be one mapping/],
  ['has no current context', 'clusters: []', /current-context is not set; set it/],
  ['lacks the context', config(SERVER, '{}'), /no entry "z" in contexts; it has "x", "y"$/, 'z'],
  [
    'lacks clusters',
    'contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x',
    /no entry "c" in clusters; it has none/,
  ],
  [
    'lacks the server',
    config('{}', '{}'),
    /cluster "c": clusters\[0\]\.cluster\.server is missing/,
  ],
  [
    'lacks the cluster',
    config(SERVER, '{}'),
    /cluster "other": clusters\[0\]\.cluster is missing/,
    'y',
  ],
  ['has a number for the server', config('{server: 7}', '{}'), /server must be text; quote it/],
  [
    'has a number for the token',
    config(SERVER, '{token: 12345}'),
    /user "u": token must be text; quote it/,
  ],
  ['has a user that is no mapping', config(SERVER, 'secret'), /user of "u" is not a mapping/],
  [
    'has a server without scheme',
    config('{server: "10.0.0.1:6443"}', '{}'),
    /server must be https:/,
  ],
  [
    'has a password in the server',
    config('{server: "https://a:secret@b"}', '{}'),
    /without a user in it/,
  ],
  [
    'names an authority that is not there',
    config('{server: "https://a", certificate-authority: none.crt}', '{}'),
    /certificate-authority: cannot read ".*none.crt": ENOENT/,
  ],
  [
    'has an authority that is no PEM',
    config('{server: "https://a", certificate-authority-data: c2VjcmV0}', '{}'),
    /certificate-authority-data is not the base64 of PEM/,
  ],
  [
    'has a certificate without its key',
    config(SERVER, '{client-certificate-data: LS0tLS1CRUdJTiA=}'),
    /must be set together/,
  ],
  [
    'has a certificate that cannot be used',
    config(
      SERVER,
      '{client-certificate-data: LS0tLS1CRUdJTiA=, client-key-data: LS0tLS1CRUdJTiA=}',
    ),
    /certificates and key cannot be used: /,
  ],
  ['has a token that is no word', config(SERVER, '{token: "a secret"}'), /token holds no token/],
  [
    'names a token file that is not there',
    config(SERVER, '{tokenFile: none}'),
    /tokenFile: cannot read/,
  ],
  [
    'has a provider that Kubernetes gave up',
    config(SERVER, '{auth-provider: {name: gcp}}'),
    /given up auth-provider "gcp"; use an exec plugin/,
  ],
  ['has a plugin without command', config(SERVER, '{exec: {}}'), /exec.command is not set/],
  [
    'has a plugin for people',
    config(SERVER, '{exec: {command: a, interactiveMode: Always}}'),
    /needs a terminal/,
  ],
  [
    'names a plugin that is not there',
    config(SERVER, '{exec: {command: tidegate-none, installHint: "apt install it"}}'),
    /exec plugin "tidegate-none" cannot be run: .*ENOENT; apt install it/,
  ],
  ['names a plugin that fails', config(SERVER, '{exec: {command: "false"}}'), /ended with code 1/],
  [
    'names a plugin that prints no JSON',
    config(SERVER, '{exec: {command: echo, args: [secret]}}'),
    /did not print JSON$/,
  ],
  [
    'names a plugin of another version',
    config(
      SERVER,
      '{exec: {command: echo, args: [\'{"kind":"ExecCredential","apiVersion":"secret"}\']}}',
    ),
    /must print an ExecCredential of client.authentication.k8s.io\/v1/,
  ],
  [
    'names a plugin that gives nothing',
    config(
      SERVER,
      '{exec: {command: echo, args: [\'{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"clientKeyData":"secret"}}\']}}',
    ),
    /printed neither a token nor/,
  ],
  [
    'names a plugin that prints without end',
    config(SERVER, '{exec: {command: "yes", args: [secret]}}'),
    /prints without end/,
  ],
] as const) {
  test(`a kubeconfig that ${what} is refused with file and field, and no secret`, async (t) => {
    const error = await t.throwsAsync(load(text, context), { instanceOf: ApiError });
    t.is(error.reason, 'Credentials');
    t.regex(error.message, /^Kubeconfig ".*\/\d+"/);
    t.regex(error.message, pattern);
    t.notRegex(`${error.message} ${JSON.stringify(error)} ${error.stack}`, /secret|c2VjcmV0/);
  });
}

test('a kubeconfig that is not there is named', async (t) => {
  const error = await t.throwsAsync(readKubeconfig('/none/config', undefined), {
    instanceOf: ApiError,
  });
  t.regex(error.message, /^Kubeconfig "\/none\/config": cannot read "\/none\/config": ENOENT/);
});
