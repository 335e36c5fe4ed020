/**
 * Programs that connect-tcp.test.ts and listen-tcp.test.ts run in a namespace of their own, with two
 * ends of a cable, `a0` (192.0.2.1, fe80::a) and `b0` (fe80::b). Each prints one line of JSON.
 */
import { createServer, type Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSocket } from '../../../src/system/sockets.ts';
import { connectTcp } from '../../../src/system/tcp/connect-tcp.ts';
import { listenTcp } from '../../../src/system/tcp/listen-tcp.ts';
import type {
  ConnectOptions,
  IncomingTcp,
  TcpConnection,
  TcpPeer,
} from '../../../src/system/tcp/tcp.ts';
import { formatZoned } from '../../../src/system/tcp/tcp-connection.ts';
import { openTcpSocket } from '../../../src/system/tcp/tcp-socket.ts';
import { address } from '../../support/objects.ts';

const PORT = 1179;
const KEY = Buffer.from('a long password');
const OTHER_KEY = Buffer.from('another');
/** Nobody answers: long enough for a busy machine, and for one repeated SYN. */
const SILENCE_MS = 1_500;
const MEGABYTE = 1024 * 1024;

/** One end of a connection, with what happened to it. */
interface End {
  readonly connection: TcpConnection;
  readonly opened: Promise<boolean>;
  readonly closed: Promise<{ code: string; text: string }>;
  readonly received: () => Uint8Array;
  readonly drains: () => number;
  /** Resolves once so many bytes came. */
  bytes(count: number): Promise<void>;
}

function handlersOf() {
  const opening = Promise.withResolvers<boolean>();
  const closing = Promise.withResolvers<{ code: string; text: string }>();
  const chunks: Uint8Array[] = [];
  let drained = 0;
  let size = 0;
  return {
    handlers: {
      onOpen: () => opening.resolve(true),
      onData(bytes: Uint8Array) {
        chunks.push(bytes);
        size += bytes.length;
      },
      onDrain() {
        drained += 1;
      },
      onClose(error: NodeJS.ErrnoException | undefined) {
        opening.resolve(false);
        closing.resolve({ code: error?.code ?? 'in order', text: error?.message ?? '' });
      },
    },
    opened: opening.promise,
    closed: closing.promise,
    received: () => Buffer.concat(chunks),
    drains: () => drained,
    async bytes(count: number) {
      while (size < count) await sleep(5);
    },
  };
}

function dial(options: Partial<ConnectOptions>): End {
  const { handlers, ...rest } = handlersOf();
  const remote = options.remote ?? address('127.0.0.1');
  const all = { port: PORT, timeoutMs: SILENCE_MS, ...options, remote };
  return { connection: connectTcp(all, handlers), ...rest };
}

/** How an attempt ends: `open`, or the code of the error. */
async function outcome(options: Partial<ConnectOptions>): Promise<string> {
  const end = dial(options);
  const open = await end.opened;
  if (!open) return (await end.closed).code;
  end.connection.destroy();
  // Both ends of it are in this process: the other is to see the end first.
  await sleep(20);
  return 'open';
}

/** A listener that accepts everybody of the list. */
function serve(peers: readonly TcpPeer[], device?: string) {
  const accepted: End[] = [];
  const incoming: IncomingTcp[] = [];
  const listener = listenTcp({
    port: PORT,
    device,
    onConnection(each) {
      const { handlers, ...rest } = handlersOf();
      incoming.push(each);
      accepted.push({ connection: each.accept(handlers), ...rest });
    },
    onError: (error) => {
      throw error;
    },
  });
  listener.setPeers(peers);
  const next = async (index: number) => {
    while (accepted[index] === undefined) await sleep(5);
    return accepted[index];
  };
  return { listener, accepted, incoming, next };
}

/** A server that knows nothing of all this; `onSocket` has its connections. */
async function plainServer(host: string, onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(PORT, host, resolve));
  return server;
}

const V4 = { address: address('127.0.0.1') };
const V6 = { address: address('::1') };
const from = (text: string) => ({ local: address(text), remote: address('127.0.0.1') });

function codeOf(action: () => void): string {
  try {
    action();
    return 'none';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

const scenarios: Record<string, () => Promise<unknown>> = {
  async greedy() {
    let inTurn = 0;
    let mostInTurn = 0;
    let all = 0;
    const newTurn = () => {
      inTurn = 0;
      if (all < 8 * MEGABYTE) setImmediate(newTurn);
    };
    const server = await plainServer('127.0.0.1', (socket) => {
      socket.resume();
      socket.write(new Uint8Array(8 * MEGABYTE));
    });
    const closing = Promise.withResolvers<void>();
    const greedy = connectTcp(
      { remote: address('127.0.0.1'), port: PORT, timeoutMs: SILENCE_MS },
      {
        onOpen: newTurn,
        onData({ length }) {
          inTurn += length;
          all += length;
          mostInTurn = Math.max(mostInTurn, inTurn);
          if (all === 8 * MEGABYTE) greedy.end();
        },
        onDrain() {},
        onClose: () => closing.resolve(),
      },
    );
    await closing.promise;
    server.close();
    return { all, shared: mostInTurn <= MEGABYTE / 8 };
  },
  async exchange() {
    const { listener, incoming, next } = serve([
      { ...V4, md5: KEY },
      { ...V6, md5: KEY },
    ]);
    const said: string[] = [];
    for (const [index, peer] of [V4, V6].entries()) {
      const near = dial({ remote: peer.address, md5: KEY });
      near.connection.send(Buffer.from('before it stands, '));
      await near.opened;
      near.connection.send(Buffer.from('and after'));
      const far = await next(index);
      await far.bytes(27);
      far.connection.send(Buffer.from('seen'));
      await near.bytes(4);
      near.connection.end();
      const ends = [(await near.closed).code, (await far.closed).code];
      const texts = [far, near].map((end) => Buffer.from(end.received()).toString());
      said.push(
        [...texts, ...ends, formatZoned(incoming[index]?.remote ?? V4.address, '')].join('|'),
      );
    }
    listener.close();
    return said;
  },

  async passwords() {
    const { listener } = serve([{ ...V4, md5: KEY }, { address: address('127.0.0.2') }]);
    const results = await Promise.all([
      outcome({ md5: KEY }),
      outcome({ md5: OTHER_KEY }),
      outcome({}),
      outcome({ ...from('127.0.0.2'), md5: KEY }),
      outcome(from('127.0.0.2')),
    ]);
    const { text } = await dial({ md5: OTHER_KEY }).closed;
    const { accepted, badSignatures } = listener.counters();
    listener.close();
    return { results, text, accepted, noticed: badSignatures >= 3 };
  },

  async distance() {
    const near = { ...V4, ttl: 255, minTtl: 255 };
    const { listener } = serve([near, { ...V6, minTtl: 254 }, { address: address('127.0.0.2') }]);
    const v6 = { remote: V6.address };
    const results = await Promise.all([
      outcome({ ttl: 255, minTtl: 255 }),
      outcome({ ttl: 254 }),
      outcome({ ...v6, ttl: 254 }),
      outcome({ ...v6, ttl: 253 }),
      outcome(from('127.0.0.2')),
    ]);
    listener.close();
    // A far router answers with less than is asked for here.
    const far = await plainServer('127.0.0.1', (socket) => socket.destroy());
    const suspicious = await outcome({ minTtl: 255 });
    far.close();
    return { results, suspicious };
  },

  async closeness() {
    const { listener, next } = serve([{ ...V4, minTtl: 255 }]);
    const socket = openTcpSocket(4);
    socket.setHops(255, undefined);
    const near = new Socket({ fd: socket.fd, writable: true, manualStart: true } as object);
    near.connect(PORT, '127.0.0.1');
    const far = await next(0);
    near.write('near');
    await far.bytes(4);
    const received = Buffer.from(far.received()).toString();
    // From now on it seems to come from a router away.
    socket.setHops(254, undefined);
    near.write(' and far');
    await sleep(300);
    const after = Buffer.from(far.received()).toString();
    near.destroy();
    far.connection.destroy();
    listener.close();
    return { received, after };
  },

  async refusals() {
    const told = await Promise.all(
      [
        { port: 9 },
        { local: address('203.0.113.9') },
        { remote: address('fe80::1'), interface: 'nosuch0' },
        { device: 'nosuch0' },
        { remote: address('203.0.113.9') },
        { md5: Buffer.alloc(81) },
      ].map(async (options) => (await dial(options).closed).code),
    );
    const { text } = await dial({ port: 9 }).closed;
    return { told, text };
  },

  async wire() {
    const seen = Promise.withResolvers<Uint8Array>();
    const index = Number(process.argv[3]);
    const socket = openSocket(
      { family: 'packet', ifindex: index, etherType: 0x0800, keepAlive: true },
      ({ bytes }) => {
        if (bytes[23] === 6) seen.resolve(bytes);
      },
      () => {},
    );
    const end = dial({
      remote: address('192.0.2.2'),
      local: address('192.0.2.7'),
      device: 'a0',
      ttl: 7,
      timeoutMs: 300,
    });
    const bytes = await seen.promise;
    end.connection.destroy();
    socket.close();
    return { tos: bytes[15], ttl: bytes[22], source: [...bytes.subarray(26, 30)].join('.') };
  },

  async pressure() {
    let reader: Socket | undefined;
    const server = await plainServer('127.0.0.1', (socket) => {
      reader = socket;
    });
    const end = dial({});
    await end.opened;
    const chunk = Buffer.alloc(MEGABYTE, 1);
    for (let i = 0; i < 32; i++) end.connection.send(chunk);
    await sleep(100);
    const stuck = end.connection.queuedBytes > 16 * MEGABYTE && end.drains() === 0;
    let got = 0;
    reader?.on('data', (bytes) => {
      got += bytes.length;
    });
    reader?.resume();
    while (end.drains() === 0) await sleep(5);
    const { queuedBytes } = end.connection;
    while (got < 32 * MEGABYTE) await sleep(5);
    const drains = end.drains();
    end.connection.destroy();
    server.close();
    return { stuck, queuedBytes, got, drains };
  },

  async flush() {
    const sums: number[] = [];
    const server = await plainServer('127.0.0.1', (socket) => {
      let got = 0;
      socket.on('data', (bytes) => {
        got += bytes.length;
      });
      socket.on('end', () => sums.push(got));
      setTimeout(() => socket.resume(), 200);
    });
    const end = dial({});
    for (let i = 0; i < 16; i++) end.connection.send(Buffer.alloc(MEGABYTE));
    await end.opened;
    end.connection.end();
    end.connection.send(Buffer.from('too late'));
    const { code } = await end.closed;
    server.close();
    return { code, sums };
  },

  async deaf() {
    const sockets: Socket[] = [];
    const server = await plainServer('127.0.0.1', (socket) => sockets.push(socket));
    const stuck = dial({});
    const idle = dial({});
    await Promise.all([stuck.opened, idle.opened]);
    for (let i = 0; i < 16; i++) stuck.connection.send(Buffer.alloc(MEGABYTE));
    stuck.connection.end();
    idle.connection.end();
    const codes = [(await stuck.closed).code, (await idle.closed).code];
    for (const socket of sockets) socket.destroy();
    server.close();
    return codes;
  },

  async destroyed() {
    const calls: string[] = [];
    const server = await plainServer('127.0.0.1', (socket) => {
      socket.resume().write('hello');
    });
    const note = (what: string) => () => calls.push(what);
    const handlers = { onData: note('data'), onDrain: note('drain'), onClose: note('close') };
    const options = { remote: V4.address, port: PORT, timeoutMs: 500 };
    const early = connectTcp(options, { ...handlers, onOpen: note('open') });
    early.destroy();
    const opened = Promise.withResolvers<void>();
    const late = connectTcp(options, { ...handlers, onOpen: () => opened.resolve() });
    await opened.promise;
    for (let i = 0; i < 16; i++) late.send(Buffer.alloc(MEGABYTE));
    late.destroy();
    late.destroy();
    late.send(Buffer.from('nothing'));
    late.end();
    const unborn = connectTcp(
      { ...options, device: 'nosuch0' },
      { ...handlers, onOpen: note('open') },
    );
    unborn.destroy();
    await sleep(700);
    server.close();
    return { calls, queued: late.queuedBytes };
  },

  async lost() {
    const server = await plainServer('127.0.0.1', (socket) => {
      setTimeout(() => socket.resetAndDestroy(), 50);
    });
    const reset = await dial({}).closed;
    server.close();
    const { listener } = serve([V4]);
    const early = dial({});
    early.connection.end();
    const ended = await early.closed;
    listener.close();
    return { ...reset, early: ended.code };
  },

  async strangers() {
    const { listener, accepted } = serve([{ address: address('127.0.0.2') }]);
    const stranger = await outcome({});
    const friend = await outcome(from('127.0.0.2'));
    const { dropped, ...counters } = listener.counters();
    listener.close();
    return { stranger, friend, connections: accepted.length, counters, dropped: dropped >= 2 };
  },

  async changes() {
    const { listener, next } = serve([{ ...V4, md5: KEY }]);
    const near = dial({ md5: KEY });
    const far = await next(0);
    await near.opened;
    listener.setPeers([{ ...V4, md5: OTHER_KEY }]);
    const oldKey = await outcome({ md5: KEY });
    const newKey = await outcome({ md5: OTHER_KEY });
    listener.setPeers([V4]);
    const noKey = await outcome({});
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ address: address(`2001:db8::${i}`), md5: KEY }));
    const tooLong = { ...V6, md5: new Uint8Array(81) };
    const refused = [
      codeOf(() => listener.setPeers([{ ...V4, md5: KEY }, tooLong])),
      codeOf(() => listener.setPeers(many(257))),
    ];
    const afterRefusal = await outcome({});
    const most = codeOf(() => listener.setPeers([V4, ...many(255)]));
    listener.setPeers([]);
    const nobody = await outcome({});
    near.connection.send(Buffer.from('still here'));
    await far.bytes(10);
    near.connection.destroy();
    listener.close();
    return { oldKey, newKey, noKey, afterRefusal, most, nobody, refused };
  },

  async flood() {
    const { listener, accepted } = serve([V4]);
    const ends = Array.from({ length: 300 }, () => dial({ timeoutMs: 10_000 }));
    while (listener.counters().tooMany + listener.counters().accepted < 300) await sleep(5);
    const { accepted: taken, tooMany } = listener.counters();
    for (const { connection } of accepted) connection.destroy();
    await sleep(20);
    const again = await outcome({});
    for (const { connection } of ends) connection.destroy();
    listener.close();
    return { taken, tooMany, again };
  },

  async successors() {
    const { listener, next } = serve([V4]);
    let opened = 0;
    for (let index = 0; index < 8; index++) {
      const near = dial({});
      if (await near.opened) opened += 1;
      const far = await next(index);
      if (index % 2 === 0) near.connection.end();
      else far.connection.end();
      await Promise.race([near.closed, far.closed]);
    }
    const { tooMany } = listener.counters();
    listener.close();
    return { opened, tooMany };
  },

  async restless() {
    const { listener } = serve([V4, { address: address('127.0.0.2') }]);
    for (let i = 0; i < 60; i++) {
      const near = dial({});
      await near.opened;
      near.connection.end();
      await near.closed;
    }
    const { accepted, tooMany } = listener.counters();
    const other = await outcome(from('127.0.0.2'));
    listener.close();
    return { bounded: accepted >= 20 && accepted < 30, all: accepted + tooMany, other };
  },

  async devices() {
    const everywhere = serve([V4]);
    const onCable = serve([V4], 'a0');
    const both = await outcome({});
    const counts = [everywhere, onCable].map(({ listener }) => listener.counters().accepted);
    everywhere.listener.close();
    const deviceAlone = await outcome({});
    onCable.listener.close();
    return { both, counts, deviceAlone, none: codeOf(() => serve([], 'nosuch0')) };
  },

  async ports() {
    const server = await plainServer('127.0.0.1', () => {});
    const busy = codeOf(() => serve([]));
    await new Promise((resolve) => server.close(resolve));
    const { listener, next } = serve([V4]);
    const near = dial({});
    const far = await next(0);
    await near.opened;
    listener.close();
    listener.close();
    const after = await outcome({});
    near.connection.send(Buffer.from('goes on'));
    await far.bytes(7);
    const again = serve([V4]);
    const anew = await outcome({});
    again.listener.close();
    near.connection.destroy();
    return { busy, after, anew, accepted: listener.counters().accepted };
  },

  async refusing() {
    const listener = listenTcp({ port: PORT, onConnection: () => {}, onError: () => {} });
    listener.setPeers([V4]);
    const end = dial({});
    const { code } = await end.closed;
    const { refused } = listener.counters();
    listener.close();
    return { code, refused };
  },

  async linkLocalServer() {
    const { incoming, next, listener } = serve([{ address: address('fe80::1'), interface: 'a0' }]);
    console.log('ready');
    const far = await next(0);
    await far.bytes(1);
    while (listener.counters().strangers === 0) await sleep(5);
    const [first] = incoming;
    const remote = first && formatZoned(first.remote, first.interface);
    return { remote, counters: listener.counters() };
  },

  async linkLocalClient() {
    const remote = address('fe80::2');
    const right = dial({ remote, local: address('fe80::1'), interface: 'right' });
    await right.opened;
    right.connection.send(Buffer.from('x'));
    const wrong = await dial({ remote, interface: 'wrong', timeoutMs: 5_000 }).closed;
    right.connection.end();
    return { right: 'open', wrong: wrong.code };
  },
};

const name = process.argv[2] ?? '';
console.log(JSON.stringify(await scenarios[name]?.()));
process.exit(0);
