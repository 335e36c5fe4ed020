import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import {
  type ApiConnection,
  type ConnectionOptions,
  openConnection,
} from '../../../../src/cluster/kubernetes/transport/connection.ts';
import type { Clock } from '../../../../src/domain/clock.ts';
import { realClock } from '../../../../src/system/real-clock.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import {
  createPki,
  type Pki,
  startHttpProxy,
  startPlainServer,
  startServer,
  startSocksProxy,
  type TestServer,
  writeKubeconfig,
} from './https-server.ts';

let pki: Pki;
test.before(async () => {
  pki = await createPki();
});
test.after.always(() => pki.remove());

interface Setup {
  readonly server: TestServer;
  readonly folder: string;
  readonly log: ReturnType<typeof recordingLog>;
  /** Makes files look a second older to who checks them each second. */
  skip(ms: number): void;
  open(cluster?: object, user?: object, more?: Partial<ConnectionOptions>): Promise<ApiConnection>;
}

async function setUp(t: ExecutionContext, server?: TestServer): Promise<Setup> {
  const used = server ?? (await startServer(pki));
  t.teardown(() => used.stop());
  const folder = mkdtempSync(join(pki.folder, 'test-'));
  const log = recordingLog();
  let skippedMs = 0;
  const clock: Clock = { ...realClock, monotonicMs: () => realClock.monotonicMs() + skippedMs };
  return {
    server: used,
    folder,
    log,
    skip(ms) {
      skippedMs += ms;
    },
    async open(cluster = {}, user = { token: 'token-1' }, more = {}) {
      const authority = { 'certificate-authority': pki.authority.certificate };
      const connection = await openConnection({
        kubeconfig: writeKubeconfig(folder, { server: used.url, ...authority, ...cluster }, user),
        context: undefined,
        userAgent: 'tidegate/1.2.3 (test)',
        clock,
        log,
        surroundings: { variables: {}, serviceAccountFolder: folder },
        ...more,
      });
      t.teardown(() => connection.close());
      return connection;
    },
  };
}

const VERSION = { method: 'GET', path: '/version' } as const;

async function failure(t: ExecutionContext, promise: Promise<unknown>): Promise<ApiError> {
  return (await t.throwsAsync(promise, { instanceOf: ApiError })) as ApiError;
}

test('request() sends method, query, body and who asks, and resolves with what JSON says', async (t) => {
  const { server, open } = await setUp(t);
  server.answer((_request, response) => response.end('{"a":["ü"]}'));
  const connection = await open();
  t.is(connection.server, server.url);
  t.deepEqual(await connection.request(VERSION), { a: ['ü'] });
  await connection.request({
    method: 'PATCH',
    path: '/api/v1/namespaces/a/services/b/status',
    query: { fieldManager: 'tidegate controller' },
    body: { status: { 世: 1 } },
    contentType: 'application/merge-patch+json',
  });
  const [first, second] = server.seen;
  t.is(first?.headers.authorization, 'Bearer token-1');
  t.is(first?.headers['user-agent'], 'tidegate/1.2.3 (test)');
  t.is(first?.headers['accept'], 'application/json');
  t.is(second?.url, '/api/v1/namespaces/a/services/b/status?fieldManager=tidegate+controller');
  t.is(second?.headers['content-type'], 'application/merge-patch+json');
  t.is(second?.body, '{"status":{"世":1}}');
  t.is(server.connections(), 1);
});

test('request() reads answers that are compressed, and bounds them', async (t) => {
  const { server, open } = await setUp(t);
  const connection = await open();
  const send = (body: string) =>
    server.answer((_request, response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(body));
    });
  send(JSON.stringify({ text: 'x'.repeat(200_000) }));
  t.is(((await connection.request(VERSION)) as { text: string }).text.length, 200_000);
  send(JSON.stringify({ text: 'x'.repeat(33 * 1_048_576) }));
  t.is((await failure(t, connection.request(VERSION))).reason, 'TooLarge');
});

test('request() keeps a path that the server’s address has', async (t) => {
  const { server, open } = await setUp(t);
  const connection = await open({ server: `${server.url}/k8s/clusters/c-1/` });
  await connection.request({ ...VERSION, query: { a: 'b' } });
  t.is(server.seen[0]?.url, '/k8s/clusters/c-1/version?a=b');
});

for (const [status, body, reason, pattern] of [
  [
    403,
    {
      reason: 'Forbidden',
      message: 'User "x" cannot list resource "services" in API group "" at the cluster scope',
    },
    'Forbidden',
    /403 Forbidden: User "x" cannot .*; apply config\/deploy, which grants "list" on services/,
  ],
  [
    404,
    { reason: 'NotFound', message: 'the server could not find the requested resource' },
    'NotFound',
    /not installed; apply config\/crds/,
  ],
  [
    404,
    { reason: 'NotFound', message: 'services "a" not found' },
    'NotFound',
    /services "a" not found$/,
  ],
  [
    409,
    { reason: 'Conflict', message: 'the object has been modified' },
    'Conflict',
    /409 Conflict: the object/,
  ],
  [410, { reason: 'Expired', message: 'too old resource version' }, 'Expired', /410 Expired/],
  [422, { reason: 'Invalid', message: 'a\nb\u0007c' }, 'Invalid', /422 Invalid: a b c$/],
  [500, { message: 'x'.repeat(2_000) }, 'InternalError', /^.{500,700}$/],
] as const) {
  test(`request() tells ${status} with what the API says: ${reason} ${pattern}`, async (t) => {
    const { server, open } = await setUp(t);
    server.answer((_request, response) => {
      response.writeHead(status);
      response.end(JSON.stringify({ kind: 'Status', ...body }));
    });
    const error = await failure(t, (await open()).request(VERSION));
    t.is(error.status, status);
    t.is(error.reason, reason);
    t.regex(error.message, pattern);
    t.true(error.message.startsWith(`GET ${server.url}/version: `));
  });
}

test('request() tells how long the server asks to be left alone', async (t) => {
  const { server, open } = await setUp(t);
  const connection = await open();
  const ask = async (header: string | undefined, body: object) => {
    server.answer((_request, response) => {
      response.writeHead(429, header === undefined ? {} : { 'retry-after': header });
      response.end(JSON.stringify(body));
    });
    return failure(t, connection.request(VERSION));
  };
  t.is((await ask('7', {})).retryAfterMs, 7_000);
  t.is((await ask('999999999', {})).retryAfterMs, 60_000, 'a proxy that closes for 31 years');
  t.is(
    (await ask(undefined, { kind: 'Status', details: { retryAfterSeconds: 2 } })).retryAfterMs,
    2_000,
  );
  const plain = await ask('soon', {});
  t.is(plain.retryAfterMs, undefined);
  t.is(plain.reason, 'TooManyRequests');
});

test('request() never quotes an answer that is no JSON, nor a token that comes back', async (t) => {
  const { server, open } = await setUp(t);
  const connection = await open({}, { token: 'very-secret' });
  server.answer((_request, response) => response.end('<html>c2VjcmV0 of a Secret'));
  const page = await failure(t, connection.request(VERSION));
  t.is(page.reason, 'Garbage');
  t.false(page.message.includes('html'));
  server.answer((_request, response) => {
    response.writeHead(400);
    response.end(JSON.stringify({ kind: 'Status', message: 'Bearer very-secret is bad' }));
  });
  t.false((await failure(t, connection.request(VERSION))).message.includes('very-secret'));
  server.answer((_request, response) => {
    response.writeHead(502);
    response.end('<html>very-secret');
  });
  t.regex((await failure(t, connection.request(VERSION))).message, /502 BadGateway$/);
});

test('request() gives up after its time, and when its signal says so', async (t) => {
  const { server, open } = await setUp(t);
  const connection = await open();
  server.answer((_request, response) => response.write('{'));
  const late = await failure(t, connection.request({ ...VERSION, timeoutMs: 50 }));
  t.is(late.reason, 'Timeout');
  t.regex(late.message, /no answer within 50 ms/);
  const controller = new AbortController();
  const broken = failure(t, connection.request({ ...VERSION, signal: controller.signal }));
  setTimeout(() => controller.abort(), 20);
  t.is((await broken).reason, 'Aborted');
  const mine = new ApiError('Mine', { status: 0, reason: 'Mine' });
  t.is(await failure(t, connection.request({ ...VERSION, signal: AbortSignal.abort(mine) })), mine);
});

test('request() sends a GET again when the server has just closed the connection, a PATCH never', async (t) => {
  const { server, open } = await setUp(t);
  const connection = await open();
  await connection.request(VERSION);
  const once = () => {
    let left = 1;
    server.answer((request, response) => {
      if (left-- > 0) request.socket.destroy();
      else response.end('{}');
    });
  };
  once();
  t.deepEqual(await connection.request(VERSION), {});
  once();
  const error = await failure(t, connection.request({ ...VERSION, method: 'PATCH', body: {} }));
  t.is(error.reason, 'ConnectionLost');
});

test('stream() gives pieces as they come, ends with the body, and throws when it breaks off', async (t) => {
  const { server, open } = await setUp(t);
  const connection = await open();
  const read = async () => {
    let text = '';
    for await (const piece of await connection.stream(VERSION)) text += Buffer.from(piece);
    return text;
  };
  server.answer((_request, response) => {
    response.write('one\n');
    setTimeout(() => response.end('two\n'), 20);
  });
  t.is(await read(), 'one\ntwo\n');
  server.answer((_request, response) => {
    response.setHeader('content-encoding', 'gzip');
    response.end(gzipSync('zipped'));
  });
  t.is(await read(), 'zipped');
  server.answer((_request, response) => {
    response.write('half');
    setTimeout(() => response.destroy(), 20);
  });
  t.is((await failure(t, read())).reason, 'ConnectionLost');
  server.answer((_request, response) => {
    response.setHeader('content-encoding', 'gzip');
    response.end('not zipped');
  });
  t.is((await failure(t, read())).reason, 'Garbage');
  server.answer((_request, response) => response.writeHead(410).end());
  t.is((await failure(t, read())).status, 410);
});

test('stream() outlives the time for its head, and ends when its signal says so', async (t) => {
  const { server, open } = await setUp(t);
  const connection = await open();
  const controller = new AbortController();
  server.answer((_request, response) => response.write('one\n'));
  const { signal } = controller;
  const pieces = await connection.stream({ ...VERSION, timeoutMs: 1_000, signal });
  const seen: number[] = [];
  const reading = failure(
    t,
    (async () => {
      for await (const piece of pieces) seen.push(piece.length);
    })(),
  );
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  controller.abort();
  t.is((await reading).reason, 'Aborted');
  t.deepEqual(seen, [4]);
});

test('close() breaks off what is under way and refuses what comes later', async (t) => {
  const { server, open } = await setUp(t);
  const connection = await open();
  server.answer(() => {});
  const hanging = failure(t, connection.request(VERSION));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await connection.close();
  t.is((await hanging).reason, 'Aborted');
  t.is((await failure(t, connection.request(VERSION))).reason, 'Aborted');
});

test('a server that refuses or is not found is named, with what to look at', async (t) => {
  const { open, server } = await setUp(t);
  await server.stop();
  const refused = await failure(t, (await open()).request(VERSION));
  t.is(refused.reason, 'ConnectionRefused');
  t.true(refused.message.includes(server.url));
  const elsewhere = await open({ server: 'https://api.invalid:6443' });
  t.is((await failure(t, elsewhere.request(VERSION))).reason, 'Unreachable');
});

test('a server that takes connections and says nothing is given up', async (t) => {
  const { open } = await setUp(t);
  const clock: Clock = {
    ...realClock,
    // The connection's ten seconds pass in a moment; nothing else waits so long.
    after: (ms, run) => realClock.after(ms === 10_000 ? 50 : ms, run),
  };
  const silent = await startSilentServer(t);
  const connection = await open({ server: `https://127.0.0.1:${silent}` }, {}, { clock });
  const error = await failure(t, connection.request(VERSION));
  t.is(error.reason, 'Timeout');
  t.regex(error.message, /no connection within 10000 ms/);
});

async function startSilentServer(t: ExecutionContext): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

test('the server’s certificate must be of the authority and for the server’s name', async (t) => {
  const stranger = await createPki();
  t.teardown(() => stranger.remove());
  const { open, server } = await setUp(t);
  const untrusted = await failure(
    t,
    (await open({ 'certificate-authority': stranger.authority.certificate })).request(VERSION),
  );
  t.is(untrusted.reason, 'Certificate');
  t.regex(untrusted.message, /set certificate-authority/);
  const other = await startServer(
    pki,
    await pki.authority.issue({ commonName: 'o', hosts: ['other.example.com'] }),
  );
  t.teardown(() => other.stop());
  const misnamed = await failure(t, (await open({ server: other.url })).request(VERSION));
  t.is(misnamed.reason, 'Certificate');
  t.regex(misnamed.message, /tls-server-name/);
  const named = await open({ server: other.url, 'tls-server-name': 'other.example.com' });
  await named.request(VERSION);
  t.is(other.seen[0]?.serverName, 'other.example.com');
  t.is(server.seen.length, 0);
  const plain = await startPlainServer();
  t.teardown(() => plain.stop());
  const noTls = await failure(
    t,
    (await open({ server: plain.url.replace('http:', 'https:') })).request(VERSION),
  );
  t.regex(noTls.message, /check that the port speaks TLS/);
});

test('insecure-skip-tls-verify works, and is told loudly', async (t) => {
  const { open, server, log } = await setUp(t);
  const user = { token: 'a' };
  const connection = await open(
    { 'insecure-skip-tls-verify': true, 'certificate-authority': undefined },
    user,
  );
  await connection.request(VERSION);
  t.is(server.seen.length, 1);
  t.is(log.lines.filter(({ message }) => /NOT VERIFIED/.test(message)).length, 1);
});

test('a server without TLS is spoken to, and that is told', async (t) => {
  const plain = await startPlainServer();
  const { open, log } = await setUp(t, plain);
  await (await open()).request(VERSION);
  t.is(plain.seen.length, 1);
  t.true(log.lines.some(({ message }) => /in clear/.test(message)));
});

test('certificates and keys come from data, too; a password and another identity are sent', async (t) => {
  const { open, server } = await setUp(t);
  const pair = await pki.authority.issue({ commonName: 'box-1' });
  const base64 = (path: string) => readFileSync(path).toString('base64');
  const data = {
    'certificate-authority': '/does/not/exist',
    'certificate-authority-data': base64(pki.authority.certificate),
  };
  const connection = await open(data, {
    'client-certificate-data': base64(pair.certificate),
    'client-key-data': base64(pair.key),
    username: 'ann',
    password: 'pass:word',
    as: 'bob',
    'as-uid': '7',
    'as-groups': ['x', 'y'],
    'as-user-extra': { 'example.com/a': ['1', '2'] },
  });
  await connection.request(VERSION);
  const { client, headers } = server.seen[0] as (typeof server.seen)[0];
  t.is(client, 'box-1');
  t.is(headers.authorization, `Basic ${Buffer.from('ann:pass:word').toString('base64')}`);
  t.is(headers['impersonate-user'], 'bob');
  t.is(headers['impersonate-uid'], '7');
  t.is(headers['impersonate-group'], 'x, y');
  t.is(headers['impersonate-extra-example.com%2fa'], '1, 2');
});

test('a client certificate that rotates is in force with the next request, half a rotation never', async (t) => {
  const { open, server, folder, log, skip } = await setUp(t);
  const pairs = await Promise.all(
    ['one', 'two'].map((commonName) => pki.authority.issue({ commonName })),
  );
  const [one, two] = pairs as [(typeof pairs)[0], (typeof pairs)[0]];
  const put = (pair: (typeof pairs)[0], part: 'certificate' | 'key') => {
    writeFileSync(join(folder, `${part}.new`), readFileSync(pair[part]));
    renameSync(join(folder, `${part}.new`), join(folder, `client.${part}`));
  };
  put(one, 'certificate');
  put(one, 'key');
  const user = { 'client-certificate': 'client.certificate', 'client-key': 'client.key' };
  const connection = await open({}, user);
  const seenBy = async () => {
    skip(1_100);
    await connection.request(VERSION);
    return server.seen.at(-1)?.client;
  };
  t.is(await seenBy(), 'one');
  put(two, 'certificate');
  t.is(await seenBy(), 'one');
  t.is(log.lines.filter(({ level }) => level === 'warn').length, 1);
  put(two, 'key');
  t.is(await seenBy(), 'two');
  t.is(await seenBy(), 'two');
  t.is(server.connections(), 2);
});

test('an authority that rotates is in force with the next connection', async (t) => {
  const other = await createPki();
  t.teardown(() => other.remove());
  const { open, folder, skip } = await setUp(t);
  const bundle = join(folder, 'bundle.crt');
  writeFileSync(bundle, readFileSync(other.authority.certificate));
  const connection = await open({ 'certificate-authority': bundle });
  t.is((await failure(t, connection.request(VERSION))).reason, 'Certificate');
  writeFileSync(
    bundle,
    Buffer.concat([other.authority, pki.authority].map((one) => readFileSync(one.certificate))),
  );
  skip(1_100);
  t.deepEqual(await connection.request(VERSION), {});
});

test('a token file that rotates by a swapped link is in force with the next request', async (t) => {
  const { open, server, folder, skip } = await setUp(t);
  const put = (version: string, token: string) => {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, 'token'), `${token}\n`);
    symlinkSync(version, join(folder, '..new'));
    renameSync(join(folder, '..new'), join(folder, '..data'));
  };
  put('1', 'first');
  symlinkSync('..data/token', join(folder, 'token'));
  const connection = await open({}, { tokenFile: 'token', token: 'unused' });
  await connection.request(VERSION);
  put('2', 'second');
  skip(1_100);
  await connection.request(VERSION);
  t.deepEqual(
    server.seen.map(({ headers }) => headers.authorization),
    ['Bearer first', 'Bearer second'],
  );
  t.is(server.connections(), 1);
});

test('a kubeconfig that is replaced leads to another server; a broken one leaves all as it was', async (t) => {
  const { open, server, folder, skip, log } = await setUp(t);
  const second = await startServer(pki);
  t.teardown(() => second.stop());
  const connection = await open();
  await connection.request(VERSION);
  writeFileSync(join(folder, 'kubeconfig'), 'users: [{name: u, user: {token: new-secret');
  skip(1_100);
  await connection.request(VERSION);
  t.is(server.seen.length, 2);
  const told = log.lines.map(({ fields }) => String(fields['error'])).join();
  t.regex(told, /is not YAML: see line 1/);
  t.notRegex(told, /new-secret/);
  writeKubeconfig(
    folder,
    { server: second.url, 'certificate-authority': pki.authority.certificate },
    { token: 'b' },
  );
  skip(1_100);
  await connection.request(VERSION);
  t.is(second.seen[0]?.headers.authorization, 'Bearer b');
  t.is(connection.server, second.url);
});

test('401 reads all credentials again, once, and then says what to renew', async (t) => {
  const { open, server, folder } = await setUp(t);
  writeFileSync(join(folder, 'token'), 'old');
  const connection = await open({}, { tokenFile: 'token' });
  server.answer((request, response) => {
    if (request.headers.authorization === 'Bearer new') return response.end('{}');
    return response.writeHead(401).end();
  });
  // The file is not looked at within a second, unless it must be.
  writeFileSync(join(folder, 'token'), 'new');
  await connection.request(VERSION);
  t.is(server.seen.length, 2);
  writeFileSync(join(folder, 'token'), 'worse');
  server.answer((_request, response) => response.writeHead(401).end());
  const error = await failure(t, connection.request(VERSION));
  t.is(error.status, 401);
  t.regex(error.message, /renew the credentials of Kubeconfig ".*kubeconfig"/);
  t.is(server.seen.length, 4);
});

test('an exec plugin is run once while its credentials last, and again before they end or after 401', async (t) => {
  const { open, server, folder, skip } = await setUp(t);
  const plugin = join(folder, 'plugin');
  const expires = (ms: number) => new Date(Date.now() + ms).toISOString();
  const print = (token: string, expirationTimestamp: string) =>
    writeFileSync(
      plugin,
      `#!/bin/sh\nprintf %s "$KUBERNETES_EXEC_INFO" > ${folder}/info\necho $1$EXTRA >> ${folder}/runs\n` +
        `echo '${JSON.stringify({
          apiVersion: 'client.authentication.k8s.io/v1',
          kind: 'ExecCredential',
          status: { token, expirationTimestamp },
        })}'\n`,
      { mode: 0o755 },
    );
  print('t1', expires(3_600_000));
  const connection = await open(
    {},
    {
      exec: {
        apiVersion: 'client.authentication.k8s.io/v1',
        command: './plugin',
        args: ['get-'],
        env: [{ name: 'EXTRA', value: 'token' }],
        interactiveMode: 'Never',
        provideClusterInfo: true,
      },
    },
  );
  await connection.request(VERSION);
  await connection.request(VERSION);
  const runs = () => readFileSync(join(folder, 'runs'), 'utf8');
  t.is(runs(), 'get-token\n');
  const info = JSON.parse(readFileSync(join(folder, 'info'), 'utf8'));
  t.is(info.spec.cluster.server, server.url);
  print('t2', expires(20_000));
  server.answer((request, response) => {
    response.writeHead(request.headers.authorization === 'Bearer t1' ? 401 : 200).end('{}');
  });
  await connection.request(VERSION);
  t.is(server.seen.at(-1)?.headers.authorization, 'Bearer t2');
  print('t3', expires(3_600_000));
  skip(6_000);
  await connection.request(VERSION);
  t.is(server.seen.at(-1)?.headers.authorization, 'Bearer t3');
  t.is(runs(), 'get-token\n'.repeat(3));
});

test('an exec plugin may give a client certificate', async (t) => {
  const { open, server, folder } = await setUp(t);
  const pair = await pki.authority.issue({ commonName: 'by-plugin' });
  const text = (path: string) => readFileSync(path, 'utf8');
  writeFileSync(
    join(folder, 'answer'),
    JSON.stringify({
      apiVersion: 'client.authentication.k8s.io/v1beta1',
      kind: 'ExecCredential',
      status: { clientCertificateData: text(pair.certificate), clientKeyData: text(pair.key) },
    }),
  );
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1beta1',
    command: 'cat',
    args: [join(folder, 'answer')],
  };
  await (await open({}, { exec })).request(VERSION);
  t.is(server.seen[0]?.client, 'by-plugin');
});

test('an OpenID provider’s token is sent', async (t) => {
  const { open, server } = await setUp(t);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = `${part({ alg: 'none' })}.${part({ exp: 2 ** 33 })}.x`;
  const config = { 'id-token': token, 'client-id': 'x', 'idp-issuer-url': 'https://idp.invalid' };
  await (await open({}, { 'auth-provider': { name: 'oidc', config } })).request(VERSION);
  t.is(server.seen[0]?.headers.authorization, `Bearer ${token}`);
});

test('a Pod’s ServiceAccount is used when no kubeconfig is named', async (t) => {
  const { open, server, folder } = await setUp(t);
  writeFileSync(join(folder, 'token'), 'bound-token\n');
  writeFileSync(join(folder, 'ca.crt'), readFileSync(pki.authority.certificate));
  const variables = {
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: `${server.port}`,
  };
  const surroundings = { variables, serviceAccountFolder: folder };
  const connection = await open({}, {}, { kubeconfig: undefined, surroundings });
  await connection.request(VERSION);
  t.is(server.seen[0]?.headers.authorization, 'Bearer bound-token');
  const nowhere = { variables: {}, serviceAccountFolder: folder };
  const error = await failure(t, open({}, {}, { kubeconfig: undefined, surroundings: nowhere }));
  t.is(error.reason, 'Credentials');
  t.regex(error.message, /set cluster.kubernetes.kubeconfig/);
});

test('the way leads through an HTTP, an HTTPS or a SOCKS5 proxy', async (t) => {
  const { open, server, log } = await setUp(t);
  const basic = `Basic ${Buffer.from('u:p@ss').toString('base64')}`;
  const plain = await startHttpProxy({ expected: basic });
  const socks = await startSocksProxy('p@ss');
  const secure = await startHttpProxy({ pair: pki.server, expected: basic });
  t.teardown(() => {
    plain.stop();
    secure.stop();
    socks.stop();
  });
  const name = `https://api.example.com:${server.port}`;
  for (const url of [
    `http://u:p%40ss@127.0.0.1:${plain.port}`,
    `https://u:p%40ss@localhost:${secure.port}`,
    `socks5://u:p%40ss@127.0.0.1:${socks.port}`,
  ]) {
    await (await open({ server: name, 'proxy-url': url })).request(VERSION);
  }
  for (const proxy of [plain, secure, socks]) {
    t.deepEqual(proxy.asked, [`api.example.com:${server.port}`]);
  }
  t.deepEqual(
    server.seen.map(({ serverName }) => serverName),
    Array(3).fill('api.example.com'),
  );
  t.notRegex(JSON.stringify(log.lines), /p@ss|p%40ss/);
  for (const url of [
    `http://127.0.0.1:${plain.port}`,
    `socks5://u:wrong@127.0.0.1:${socks.port}`,
  ]) {
    const error = await failure(t, (await open({ 'proxy-url': url })).request(VERSION));
    t.is(error.reason, 'Unreachable');
    t.regex(error.message, /the proxy .*; check the proxy/);
    t.notRegex(error.message + JSON.stringify(error), /wrong/);
  }
});

test('the environment’s proxy is used, but for what it excepts', async (t) => {
  const { open, server, folder } = await setUp(t);
  const proxy = await startHttpProxy();
  t.teardown(() => proxy.stop());
  const through = async (NO_PROXY: string) => {
    const variables = { HTTPS_PROXY: `127.0.0.1:${proxy.port}`, NO_PROXY };
    const surroundings = { variables, serviceAccountFolder: folder };
    const connection = await open(
      { server: `https://api.example.com:${server.port}` },
      {},
      { surroundings },
    );
    return connection.request(VERSION);
  };
  await through('');
  t.is(proxy.asked.length, 1);
  t.is((await failure(t, through('.example.com'))).reason, 'Unreachable');
  t.is(proxy.asked.length, 1);
});
