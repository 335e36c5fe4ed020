/**
 * Programs that udp.test.ts runs in a namespace of their own with two ends of a cable, `a0` (192.0.2.1,
 * fe80::1) and `b0`. Each prints one line of JSON.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, Worker } from 'node:worker_threads';
import { formatAddress, parseAddress } from '../../src/domain/address.ts';
import { raiseThreadPriority } from '../../src/system/thread-priority.ts';
import {
  type Datagram,
  interfaceIndex,
  openUdpReceiver,
  openUdpSender,
  type UdpOptions,
} from '../../src/system/udp.ts';

const PORT = 3784;

function address(text: string) {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

function options(changes: Partial<UdpOptions>): UdpOptions {
  const marks = { ttl: 255, trafficClass: 0xc0, scope: 0 };
  return { family: 4, device: undefined, address: undefined, port: 0, ...marks, ...changes };
}

function shown({ bytes, source, destination, ttl, sourcePort, ifindex }: Datagram) {
  return {
    bytes: [...bytes],
    source: formatAddress(source),
    destination: formatAddress(destination),
    ttl,
    sourcePort,
    interface: ifindex === interfaceIndex('a0') ? 'a0' : ifindex,
  };
}

function fail(error: unknown): never {
  throw error;
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'none';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

async function metadata(): Promise<unknown> {
  const got: unknown[] = [];
  const keep = (datagram: Datagram) => void got.push(shown(datagram));
  const sockets = [
    openUdpReceiver(options({ port: PORT }), keep, fail),
    openUdpReceiver(options({ family: 6, port: PORT }), keep, fail),
  ];
  const four = openUdpSender(options({ port: 50_001, ttl: 254 }));
  const six = openUdpSender(options({ family: 6, port: 50_002, device: 'a0' }));
  four.send(Uint8Array.of(1, 2, 3), address('192.0.2.1'), PORT, 0);
  await sleep(50);
  six.send(Uint8Array.of(4), address('fe80::1'), PORT, interfaceIndex('a0') ?? 0);
  await sleep(50);
  for (const socket of [...sockets, four, six]) socket.close();
  return got;
}

/** Delivery stops at once when the callback closes the socket; what waited is lost. */
async function pending(): Promise<unknown> {
  const got: number[] = [];
  const receiver = openUdpReceiver(
    options({ port: PORT }),
    ({ bytes }) => {
      got.push(bytes[0] ?? -1);
      if (got.length === 3) receiver.close();
    },
    fail,
  );
  const sender = openUdpSender(options({ port: 50_001 }));
  for (let i = 1; i <= 4; i++) sender.send(Uint8Array.of(i), address('127.0.0.1'), PORT, 0);
  const before = got.length;
  receiver.receivePending();
  const after = got.length;
  await sleep(50);
  receiver.close();
  sender.close();
  const closed = codeOf(() => sender.send(Uint8Array.of(1), address('127.0.0.1'), PORT, 0));
  return { before, after, got, closed };
}

async function refusals(): Promise<unknown> {
  const receiver = () => openUdpReceiver(options({ port: PORT, device: 'a0' }), fail, fail);
  const first = receiver();
  const sender = openUdpSender(options({ port: 50_001 }));
  // What is sent to a sender is dropped by the kernel, and not kept for nobody.
  const other = openUdpSender(options({ port: 50_003 }));
  for (let i = 0; i < 10; i++) other.send(new Uint8Array(100), address('127.0.0.1'), 50_001, 0);
  const queues = readFileSync('/proc/self/net/udp', 'utf8').split('\n').slice(1, -1);
  return {
    samePort: codeOf(() => openUdpSender(options({ port: 50_001 }))),
    noDevice: codeOf(() => openUdpSender(options({ port: 50_004, device: 'none0' }))),
    notOurs: codeOf(() => openUdpSender(options({ port: 50_004, address: address('192.0.2.9') }))),
    noRoute: codeOf(() => sender.send(Uint8Array.of(1), address('198.51.100.1'), PORT, 0)),
    noName: interfaceIndex('none0') ?? 'none',
    tooLong: interfaceIndex('x'.repeat(40)) ?? 'none',
    waiting: queues.filter((line) => !/ [0-9A-F]{8}:00000000 /.test(line)).length,
    closed: [first, sender, other].map((socket) => codeOf(() => socket.close())),
  };
}

/** A thread of its own receives, with the precedence it can get, and the main one stays as it was. */
async function worker(): Promise<unknown> {
  const thread = new Worker(new URL(import.meta.url));
  const heard = await new Promise((resolve, reject) => {
    thread.on('message', resolve);
    thread.on('error', reject);
  });
  await thread.terminate();
  return { ...(heard as object), main: policyOf(process.pid) };
}

/** Scheduling policy of a thread: 0 is the ordinary one, 2 is round robin before all those. */
function policyOf(thread: number): number {
  const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38]);
}

async function inWorker(): Promise<void> {
  const { parentPort } = await import('node:worker_threads');
  const priority = raiseThreadPriority();
  const thread = Number(readFileSync('/proc/thread-self/stat', 'utf8').split(' ')[0]);
  const receiver = openUdpReceiver(
    options({ port: PORT }),
    ({ bytes }) => parentPort?.postMessage({ priority, policy: policyOf(thread), got: bytes[0] }),
    fail,
  );
  const sender = openUdpSender(options({ port: 50_001 }));
  sender.send(Uint8Array.of(42), address('127.0.0.1'), PORT, 0);
  setInterval(() => receiver.receivePending(), 1000);
}

const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  metadata,
  pending,
  refusals,
  worker,
};

if (isMainThread) {
  const scenario = SCENARIOS[process.argv[2] ?? ''] ?? fail(`No scenario ${process.argv[2]}`);
  console.log(JSON.stringify(await scenario()));
} else {
  await inWorker();
}
