import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { serviceManager } from '../../src/system/systemd.ts';
import { fakeClock } from '../support/fake-clock.ts';

/** Prints each datagram it receives, as systemd would read it. */
const LISTENER = `
use Socket;
socket(my $socket, PF_UNIX, SOCK_DGRAM, 0) or die $!;
bind($socket, sockaddr_un($ARGV[0] =~ s/^@/\\0/r)) or die $!;
$| = 1;
print "listening\\n";
while (defined recv($socket, my $message, 4096, 0)) { print $message =~ s/\\n/|/gr, "\\n" }
`;

async function listen(t: ExecutionContext, path: string) {
  const listener: ChildProcess = spawn('perl', ['-e', LISTENER, path]);
  t.teardown(() => listener.kill());
  let output = '';
  listener.stdout?.on('data', (data: Buffer) => {
    output += data;
  });
  if (listener.stdout) await once(listener.stdout, 'data');
  return async (count: number): Promise<string[]> => {
    const lines = () => output.split('\n').slice(1, -1);
    while (lines().length < count) await sleep(5);
    return lines();
  };
}

function unexpected(error: Error): never {
  throw error;
}

test('serviceManager() tells systemd what happens, over a path or an abstract socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-notify-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const path of [join(folder, 'notify'), `@tidegate-${process.pid}`]) {
    const received = await listen(t, path);
    const manager = serviceManager({ NOTIFY_SOCKET: path }, fakeClock(), unexpected);
    manager.status('10 VIPs\nannounced');
    manager.ready();
    manager.stopping(1500);
    t.deepEqual(await received(3), [
      'STATUS=10 VIPs announced',
      'READY=1',
      'STOPPING=1|EXTEND_TIMEOUT_USEC=1500000',
    ]);
  }
});

test('watchdog() pings at half the interval while alive, and stops when asked', async (t) => {
  const path = `@tidegate-watchdog-${process.pid}`;
  const received = await listen(t, path);
  const clock = fakeClock();
  const environment = {
    NOTIFY_SOCKET: path,
    WATCHDOG_USEC: '20000000',
    WATCHDOG_PID: `${process.pid}`,
  };
  const manager = serviceManager(environment, clock, unexpected);
  let alive = true;
  const stop = manager.watchdog(() => alive);
  clock.advance(20_000);
  t.is((await received(3)).length, 3);
  alive = false;
  clock.advance(60_000);
  alive = true;
  stop();
  clock.advance(60_000);
  manager.status('end');
  t.deepEqual((await received(4)).at(-1), 'STATUS=end');
});

test('serviceManager() does nothing outside systemd, and no watchdog meant for others', (t) => {
  const clock = fakeClock();
  const manager = serviceManager({}, clock, unexpected);
  manager.ready();
  manager.watchdog(() => t.fail())();
  const other = { NOTIFY_SOCKET: '@nobody', WATCHDOG_USEC: '1000000', WATCHDOG_PID: '1' };
  serviceManager(other, clock, unexpected).watchdog(() => t.fail())();
  t.pass();
});

test('serviceManager() reports a notification that nobody takes', (t) => {
  const errors: NodeJS.ErrnoException[] = [];
  const report = (error: Error) => errors.push(error);
  serviceManager({ NOTIFY_SOCKET: '/nowhere/notify' }, fakeClock(), report).ready();
  serviceManager({ NOTIFY_SOCKET: `/${'x'.repeat(120)}` }, fakeClock(), report).ready();
  t.deepEqual(
    errors.map(({ code }) => code),
    ['ENOENT', 'ENAMETOOLONG'],
  );
});
