/**
 * Programs that sockets.test.ts runs in a namespace of their own with two ends of a cable, `a0` and
 * `b0`. Each prints one line of JSON.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { parseAddress } from '../../src/domain/address.ts';
import { parseMac } from '../../src/domain/mac.ts';
import { openGroupSocket, openSocket, type PacketMessage } from '../../src/system/sockets.ts';

const ARP = 0x0806;
const ALL = 0x0003;
const NETLINK_ROUTE = 0;
const RTNLGRP_LINK = 1;

const A = index('a0');
const B = index('b0');

/** Resolves with the first value handed to `take`. */
function once<T>(): { readonly taken: Promise<T>; readonly take: (value: T) => void } {
  const { promise, resolve } = Promise.withResolvers<T>();
  return { taken: promise, take: resolve };
}

function index(name: string): number {
  const shown = spawnSync('ip', ['-j', 'link', 'show', 'dev', name], { encoding: 'utf8' }).stdout;
  return JSON.parse(shown)[0].ifindex;
}

function ip(...lines: string[]): void {
  const done = spawnSync('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` });
  if (done.status !== 0) throw new Error(`ip failed: ${done.stderr}`);
}

function fail(what: unknown): never {
  throw what;
}

function frame(destination: string, type: number, payload: string): Uint8Array {
  const head = `${destination}02000000000a${type.toString(16).padStart(4, '0')}`;
  return Uint8Array.from(Buffer.from(head + payload, 'hex'));
}

const BROADCAST = 'ffffffffffff';

/** Sockets this process has open, apart from stdin, stdout and stderr. */
function openSockets(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return Number(fd) > 2 && readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;
}

/** RTM_GETLINK with NLM_F_REQUEST | NLM_F_DUMP and an ifinfomsg. */
function linkDump(sequence: number): Uint8Array {
  const request = new Uint8Array(32);
  const view = new DataView(request.buffer);
  view.setUint32(0, 32, true);
  view.setUint16(4, 18, true);
  view.setUint16(6, 0x301, true);
  view.setUint32(8, sequence, true);
  return request;
}

const scenarios: Record<string, () => Promise<unknown>> = {
  async netlink() {
    const types = new Set<number>();
    const sequences = new Set<number>();
    const event = once<number>();
    const socket = openSocket(
      {
        family: 'netlink',
        protocol: NETLINK_ROUTE,
        groups: [RTNLGRP_LINK],
        keepAlive: true,
      },
      (bytes) => {
        const view = new DataView(bytes.buffer);
        types.add(view.getUint16(4, true));
        sequences.add(view.getUint32(8, true));
        if (view.getUint32(8, true) !== 7) event.take(view.getUint16(4, true));
      },
      fail,
    );
    socket.send(linkDump(7));
    await sleep(50);
    const dump = { types: [...types], sequences: [...sequences] };
    ip('link set a0 alias changed');
    const changed = await event.taken;
    socket.close();
    return { dump, changed };
  },

  async packet() {
    const got: PacketMessage[] = [];
    const all = openSocket({ family: 'packet', ifindex: B, etherType: ALL }, add, fail);
    const sender = openSocket({ family: 'packet', ifindex: A, etherType: ARP }, fail, fail);
    function add(message: PacketMessage) {
      if (message.bytes[12] === 0x08 && message.bytes[13] === 0x06) got.push(message);
    }
    const kept = frame(BROADCAST, ARP, '01'.repeat(46));
    sender.send(kept);
    sender.send(frame('02000000000b', ARP, '02'.repeat(46)));
    sender.send(frame(BROADCAST, 0x8100, `20050806${'03'.repeat(46)}`));
    await sleep(50);
    all.close();
    sender.close();
    return got.map(({ bytes, ifindex, packetType, vlan }) => ({
      destination: Buffer.from(bytes.subarray(0, 6)).toString('hex'),
      payload: Buffer.from(bytes.subarray(14)).toString('hex'),
      onB: ifindex === B,
      packetType,
      vlan: vlan ?? 'none',
    }));
  },

  async filter() {
    const got: number[] = [];
    // The first byte of the payload must be 1.
    const filter = [
      [0x30, 0, 0, 14],
      [0x15, 0, 1, 1],
      [0x06, 0, 0, 0x40000],
      [0x06, 0, 0, 0],
    ] as const;
    const receiver = openSocket(
      { family: 'packet', ifindex: B, etherType: ARP, filter },
      ({ bytes }) => got.push(bytes[14] ?? -1),
      fail,
    );
    const sender = openSocket({ family: 'packet', ifindex: A, etherType: ARP }, fail, fail);
    for (const first of ['00', '01', '02', '01'])
      sender.send(frame(BROADCAST, ARP, first + '00'.repeat(45)));
    await sleep(50);
    receiver.close();
    sender.close();
    return got;
  },

  async closing() {
    let received = 0;
    const receiver = openSocket(
      { family: 'packet', ifindex: B, etherType: ARP },
      () => {
        received += 1;
        receiver.close();
      },
      fail,
    );
    const sender = openSocket({ family: 'packet', ifindex: A, etherType: ARP }, fail, fail);
    for (let i = 0; i < 5; i++) sender.send(frame(BROADCAST, ARP, '00'.repeat(46)));
    await sleep(50);
    sender.close();
    sender.close();
    const codes = [() => sender.send(new Uint8Array(60)), () => sender.joinMulticast(group())].map(
      codeOf,
    );
    return { received, codes, left: openSockets() };
  },

  async overflow() {
    const error = once<NodeJS.ErrnoException>();
    let events = 0;
    const socket = openSocket(
      { family: 'netlink', protocol: NETLINK_ROUTE, groups: [RTNLGRP_LINK], keepAlive: true },
      () => {
        events += 1;
      },
      error.take,
    );
    ip(...Array.from({ length: 15_000 }, (_, i) => `link set a0 alias n${i}`));
    const { code } = await error.taken;
    while (events === 0) await sleep(5);
    await sleep(100);
    const before = events;
    ip('link set a0 alias last');
    await sleep(50);
    socket.close();
    return { code, goesOn: events > before };
  },

  async down() {
    const got: number[] = [];
    const error = once<NodeJS.ErrnoException>();
    const receiver = openSocket(
      { family: 'packet', ifindex: B, etherType: ARP, keepAlive: true },
      ({ bytes }) => got.push(bytes[14] ?? -1),
      error.take,
    );
    const sender = openSocket({ family: 'packet', ifindex: A, etherType: ARP }, fail, () => {});
    ip('link set b0 down');
    const { code } = await error.taken;
    ip('link set b0 up');
    await sleep(50);
    sender.send(frame(BROADCAST, ARP, '07'.repeat(46)));
    await sleep(50);
    receiver.close();
    return { code, got };
  },

  async throwing() {
    const thrown: string[] = [];
    process.on('uncaughtException', (error) => thrown.push(error.message));
    let received = 0;
    const receiver = openSocket(
      { family: 'packet', ifindex: B, etherType: ARP },
      () => {
        received += 1;
        throw new Error(`frame ${received}`);
      },
      fail,
    );
    const sender = openSocket({ family: 'packet', ifindex: A, etherType: ARP }, fail, fail);
    for (let i = 0; i < 2; i++) sender.send(frame(BROADCAST, ARP, '00'.repeat(46)));
    await sleep(50);
    receiver.close();
    sender.close();
    return thrown;
  },

  async groups() {
    const solicited = parseAddress('ff02::1:ff12:3456') ?? fail(new Error('no address'));
    const members = () => readFileSync('/proc/net/igmp6', 'utf8').match(/ff12 ?3456/g)?.length ?? 0;
    const macs = () => readFileSync('/proc/net/dev_mcast', 'utf8').match(/3333ff123456/g)?.length;
    const joined = openGroupSocket(B);
    joined.join(solicited);
    const whileJoined = { members: members(), macs: macs() };
    const twice = codeOf(() => joined.join(solicited));
    joined.leave(solicited);
    const afterLeave = members();
    joined.join(solicited);
    joined.close();
    const packet = openSocket({ family: 'packet', ifindex: B, etherType: ALL }, () => {}, fail);
    packet.joinMulticast(group());
    const macJoined = macs();
    packet.leaveMulticast(group());
    const macLeft = macs() ?? 0;
    packet.close();
    return { whileJoined, twice, afterLeave, afterClose: members(), macJoined, macLeft };
  },

  async workers() {
    const before = openSockets();
    const workers = [1, 2, 3].map(() => new Worker(new URL(import.meta.url), { argv: ['worker'] }));
    await Promise.all(workers.map((worker) => message(worker, 'ready')));
    const counts = Promise.all(workers.map((worker) => message(worker, 'count')));
    const sender = openSocket({ family: 'packet', ifindex: A, etherType: ARP }, fail, fail);
    for (let i = 0; i < 200; i++) sender.send(frame(BROADCAST, ARP, '00'.repeat(46)));
    sender.close();
    const received = await counts;
    const during = openSockets();
    for (const worker of workers) await worker.terminate();
    return { before, during, received, after: openSockets() };
  },

  async forgotten() {
    openSocket({ family: 'packet', ifindex: B, etherType: ARP }, fail, fail);
    return 'the process ends by itself';
  },
};

function group() {
  return parseMac('33:33:ff:12:34:56') ?? fail(new Error('no MAC'));
}

function codeOf(action: () => void): string | undefined {
  try {
    action();
    return 'none';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

function message(worker: Worker, what: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.on('message', (said: Record<string, unknown>) => {
      if (what in said) resolve(said[what]);
    });
    worker.on('error', reject);
  });
}

async function beWorker(): Promise<void> {
  const { parentPort } = await import('node:worker_threads');
  let count = 0;
  openSocket(
    { family: 'packet', ifindex: B, etherType: ARP, keepAlive: true },
    () => {
      count += 1;
      if (count === 200) parentPort?.postMessage({ count });
    },
    fail,
  );
  parentPort?.postMessage({ ready: true });
}

const name = process.argv[2] ?? '';
if (name === 'worker') await beWorker();
else console.log(JSON.stringify(await scenarios[name]?.()));
