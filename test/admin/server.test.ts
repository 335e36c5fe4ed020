import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type AdminOptions, instanceName, startAdmin, tcpPortOf } from '../../src/admin/server.ts';
import { parseAddress } from '../../src/domain/address.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { fakeAdminView } from '../support/fake-admin-view.ts';
import { recordingLog } from '../support/recording-log.ts';

async function options(t: ExecutionContext, changes: Partial<AdminOptions> = {}) {
  const runDir = await mkdtemp(join(tmpdir(), 'tg-admin-'));
  t.teardown(() => rm(runDir, { recursive: true, force: true }));
  const view = fakeAdminView(['speaker']);
  const log = recordingLog();
  const base: AdminOptions = {
    view,
    metrics: createMetrics(),
    log,
    runDir,
    roles: ['speaker'],
    tcp: undefined,
  };
  return { ...base, ...changes };
}

async function started(t: ExecutionContext, wanted: AdminOptions) {
  const server = await startAdmin(wanted);
  t.teardown(() => server.close());
  return server;
}

function get(target: object, headers = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request({ path: '/healthz', headers, agent: false, ...target }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    })
      .on('error', reject)
      .end();
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const loopback = parseAddress('127.0.0.1') as NonNullable<ReturnType<typeof parseAddress>>;

test('instanceName() and tcpPortOf() follow the order of the roles, not of the arguments', (t) => {
  t.is(instanceName(['forwarder', 'controller']), 'controller+forwarder');
  t.is(tcpPortOf(9640, ['forwarder', 'speaker']), 9641);
  t.is(tcpPortOf(9640, ['forwarder']), 9642);
});

test('startAdmin() answers on its socket, which only owner and group may use', async (t) => {
  const wanted = await options(t);
  const { socketPath } = await started(t, wanted);
  t.is(socketPath, join(wanted.runDir, 'admin', 'speaker.sock'));
  t.deepEqual(await get({ socketPath }), { status: 200, body: 'ok' });
  t.is((await stat(socketPath)).mode & 0o777, 0o660);
});

test('startAdmin() refuses a socket that another process answers on', async (t) => {
  const wanted = await options(t);
  const { socketPath } = await started(t, wanted);
  await t.throwsAsync(startAdmin(wanted), { message: /Another process answers on/ });
  t.is((await get({ socketPath })).status, 200);
});

test('startAdmin() replaces the socket of a process that was killed', async (t) => {
  const wanted = await options(t);
  const socketPath = join(wanted.runDir, 'admin', 'speaker.sock');
  await mkdir(join(wanted.runDir, 'admin'));
  const program = 'require("net").createServer().listen(process.argv[1], () => console.log("up"))';
  const child = spawn(process.execPath, ['-e', program, socketPath]);
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.true((await stat(socketPath)).isSocket());
  await started(t, wanted);
  t.is((await get({ socketPath })).status, 200);
});

test('startAdmin() listens on TCP with a token, one port higher for the speaker', async (t) => {
  const wanted = await options(t);
  const tokenFile = join(wanted.runDir, 'token');
  await writeFile(tokenFile, 'sixteen-letters-or-more\n', { mode: 0o640 });
  const port = await freePort();
  const tcp = { address: loopback, port: port - 1, tokenFile };
  const { tcpPort } = await started(t, { ...wanted, tcp });
  t.is(tcpPort, port);
  const target = { host: '127.0.0.1', port, path: '/v1/status' };
  t.is((await get(target)).status, 401);
  const authorization = 'Bearer sixteen-letters-or-more';
  t.is((await get(target, { authorization })).status, 200);
});

test('startAdmin() refuses an address that others can reach without a token', async (t) => {
  const address = parseAddress('0.0.0.0') as typeof loopback;
  const wanted = await options(t, { tcp: { address, port: 1, tokenFile: undefined } });
  await t.throwsAsync(startAdmin(wanted), {
    message: /no token is set; set admin\.tcp\.tokenFile/,
  });
  await t.throwsAsync(stat(join(wanted.runDir, 'admin', 'speaker.sock')), { code: 'ENOENT' });
});

test('startAdmin() refuses a token file that is short, or open to everybody', async (t) => {
  const wanted = await options(t);
  const tokenFile = join(wanted.runDir, 'token');
  const tcp = { address: loopback, port: await freePort(), tokenFile };
  await writeFile(tokenFile, 'short', { mode: 0o600 });
  await t.throwsAsync(startAdmin({ ...wanted, tcp }), { message: /16 or more printable/ });
  await writeFile(tokenFile, 'sixteen-letters-or-more');
  await chmod(tokenFile, 0o644);
  await t.throwsAsync(startAdmin({ ...wanted, tcp }), { message: /open to every user/ });
});
