import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';

/** The controller as a real process, on a real disk: it needs no network and no privilege. */
const TIDEGATE = fileURLToPath(new URL('../../bin/tidegate', import.meta.url));
const TOKEN = 'a-token-of-this-test-only';
const WAIT_MS = 30_000;

interface Box {
  readonly state: string;
  start(): Promise<ChildProcess>;
  /** Writes the manifest of a Service. */
  service(name: string): void;
  /** Address by Service, as the ledger says last; whole lines only. */
  addresses(): Map<string, string>;
  log(): string;
}

function box(t: ExecutionContext, settings = ''): Box {
  const home = mkdtempSync(join(tmpdir(), 'tg-controller-'));
  const state = join(home, 'state');
  const manifests = join(home, 'manifests');
  const log = join(home, 'log');
  for (const folder of [state, manifests]) mkdirSync(folder);
  writeFileSync(join(manifests, 'pool.yaml'), POOL);
  writeFileSync(
    join(home, 'tidegate.yaml'),
    `stateDir: ${state}\nrunDir: ${home}/run\ncluster: { files: { path: ${manifests} } }\n${settings}`,
  );
  writeFileSync(join(home, 'token'), TOKEN, { mode: 0o600 });
  const running = new Set<ChildProcess>();
  t.teardown(async () => {
    for (const child of running) await kill(child);
    execFileSync('sh', ['-c', 'umount "$0" 2>/dev/null || true', state]);
    rmSync(home, { recursive: true, force: true });
  });
  return {
    state,
    async start() {
      writeFileSync(log, '');
      const script = 'exec "$0" run --config "$1" --roles controller >"$2" 2>&1';
      const child = spawn('sh', ['-c', script, TIDEGATE, join(home, 'tidegate.yaml'), log]);
      running.add(child);
      child.on('exit', () => running.delete(child));
      await until(() => /"Running"|Cannot start/.test(readFileSync(log, 'utf8')));
      return child;
    },
    service: (name) => writeFileSync(join(manifests, `${name}.yaml`), service(name)),
    addresses() {
      const ledger = join(state, 'status.ledger');
      const text = existsSync(ledger) ? readFileSync(ledger, 'utf8') : '';
      const lines = text
        .slice(0, text.lastIndexOf('\n') + 1)
        .split('\n')
        .filter(Boolean);
      return new Map(
        lines
          .map((line) => JSON.parse(line))
          .filter(({ v }) => v?.addresses.length > 0)
          .map(({ k, v }) => [k, v.addresses.join()]),
      );
    },
    log: () => readFileSync(log, 'utf8'),
  };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error('What was waited for did not happen');
    await sleep(5);
  }
}

const POOL = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: { name: public, namespace: metallb-system }
spec: { addresses: [192.0.2.0/24] }
`;

function service(name: string): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { type: LoadBalancer, ports: [{ port: 80 }] }
`;
}

test('no address is lost or given twice, whenever the controller is killed', async (t) => {
  const { start, service, addresses } = box(t);
  const known = new Map<string, string>();
  for (let round = 0; round < 12; round++) {
    const controller = await start();
    for (let i = 0; i < 8; i++) service(`r${round}-${i}`);
    // Sooner and later after the manifests, so that it dies before, in and after its writes.
    await sleep(6 * round);
    await kill(controller);
    const now = addresses();
    for (const [key, address] of known) t.is(now.get(key), address, key);
    for (const [key, address] of now) known.set(key, address);
    t.is(new Set(known.values()).size, known.size);
  }
  await start();
  await until(() => addresses().size === 12 * 8);
  for (const [key, address] of known) t.is(addresses().get(key), address, key);
  t.is(new Set(addresses().values()).size, 12 * 8);
});

test('a full disk gives no address that could be forgotten, and loses none', async (t) => {
  const { state, start, service, addresses, log } = box(t);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', state]);
  await start();
  service('before');
  await until(() => addresses().size === 1);
  const before = addresses().get('default/before');
  execFileSync('sh', ['-c', 'cat /dev/zero >"$0/filler" 2>/dev/null || true', state]);
  // More than fits into the rest of the ledger's last page.
  for (let i = 0; i < 20; i++) service(`during-${i}`);
  await until(() => /ENOSPC|no space left/i.test(log()));
  const during = addresses();
  t.is(during.get('default/before'), before);
  rmSync(join(state, 'filler'));
  await until(() => addresses().size === 21);
  for (const [key, address] of during) t.is(addresses().get(key), address);
  t.is(new Set(addresses().values()).size, 21);
});

test('the admin API on TCP wants the token, and the unix socket does not', async (t) => {
  const port = 20_000 + (process.pid % 10_000);
  const { state, start } = box(t, '');
  const home = join(state, '..');
  const tcp = `admin: { tcp: { address: 127.0.0.1, port: ${port}, tokenFile: ${home}/token } }\n`;
  const file = join(home, 'tidegate.yaml');
  writeFileSync(file, readFileSync(file, 'utf8') + tcp);
  await start();
  const onTcp = (authorization: string) =>
    ask({ port, host: '127.0.0.1', headers: authorization === '' ? {} : { authorization } });
  t.is(await onTcp(''), 401);
  t.is(await onTcp('Bearer wrong'), 401);
  t.is(await onTcp(`Bearer ${TOKEN}`), 200);
  t.is(await ask({ socketPath: `${home}/run/admin/controller.sock` }), 200);
});

function ask(where: object): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ path: '/v1/status', ...where }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}

test('a second controller on the same state is refused, by name', async (t) => {
  const { start, log } = box(t);
  const first = await start();
  await start();
  t.regex(log(), new RegExp(`process ${first.pid} holds it.*"Cannot start"`));
});

test('SIGTERM ends it cleanly with 0', async (t) => {
  const { start, log } = box(t);
  const controller = await start();
  const ended = new Promise((resolve) => controller.once('exit', resolve));
  controller.kill('SIGTERM');
  t.is(await ended, 0);
  t.regex(log(), /"Stopped"/);
});
