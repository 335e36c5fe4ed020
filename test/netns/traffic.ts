/**
 * Both ends of test traffic, as programs for hosts of the lab.
 *
 * `node traffic.ts serve <name> <port>`: says its name on each TCP connection, then echoes until the
 * client ends; answers each UDP datagram with its name and the datagram.
 * `node traffic.ts <kind> <json>`: a client; prints one JSON line with what came of it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface TcpJob {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  /** Under way at once. */
  readonly parallel: number;
  readonly bytes: number;
  /** The payload goes in so many pieces, with this pause between two. */
  readonly pieces?: number;
  readonly pauseMs?: number;
  /** One of the client's own addresses. */
  readonly from?: string;
}

export interface UdpJob {
  readonly host: string;
  readonly port: number;
  /** Sockets, one after another, each with this many datagrams answered in turn. */
  readonly sockets: number;
  readonly datagrams: number;
  /** Of each datagram; at most 1,200 by chance when it is not said. */
  readonly bytes?: number;
}

/** How many exchanges were whole, how each of the others failed, and who answered how often. */
export interface TrafficResult {
  readonly good: number;
  readonly failures: readonly string[];
  readonly answeredBy: Readonly<Record<string, number>>;
  /** Longest time from connect to the first byte. */
  readonly slowestMs: number;
}

const TCP_TIMEOUT_MS = 30_000;
const UDP_TIMEOUT_MS = 1000;

const [kind = '', ...rest] = process.argv.slice(2);
if (process.argv[1] === import.meta.filename) await main();

async function main(): Promise<void> {
  if (kind === 'serve') return serve(rest[0] ?? '', Number(rest[1]));
  const job = JSON.parse(rest[0] ?? '{}');
  const result = kind === 'tcp' ? await runTcp(job) : await runUdp(job);
  // To a pipe this is written when it returns.
  console.log(JSON.stringify(result));
  // Not by exit(), which waits for the compiler's threads, and they at times for us (nodejs/node#54918).
  process.kill(process.pid, 'SIGKILL');
}

function serve(name: string, port: number): void {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.write(`${name}\n`);
    socket.pipe(socket);
  });
  server.listen({ port, host: '::', backlog: 1024 }, () => console.log('LISTENING'));
  const udp = createSocket('udp6');
  udp.on('message', (datagram, from) => {
    udp.send(Buffer.concat([Buffer.from(`${name}\n`), datagram]), from.port, from.address);
  });
  udp.bind(port);
}

async function runTcp(job: TcpJob): Promise<TrafficResult> {
  const tally = createTally();
  let left = job.connections;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await tally.run(() => exchangeTcp(job));
    }
  };
  await Promise.all(Array.from({ length: job.parallel }, worker));
  return tally.result();
}

interface Answer {
  readonly name: string;
  readonly firstByteMs: number;
}

async function exchangeTcp({
  host,
  port,
  bytes,
  pieces = 1,
  pauseMs = 0,
  from,
}: TcpJob): Promise<Answer> {
  const payload = randomBytes(bytes);
  const startedMs = performance.now();
  const own = from === undefined ? {} : { localAddress: from };
  const socket = connect({ host, port, noDelay: true, ...own });
  const received = createHash('sha256');
  let head = Buffer.alloc(0);
  let firstByteMs = 0;
  let name: string | undefined;
  const done = new Promise<void>((resolve, reject) => {
    socket.setTimeout(TCP_TIMEOUT_MS, () => socket.destroy(new Error('timeout')));
    socket.on('error', reject);
    socket.on('end', resolve);
    socket.on('data', (chunk) => {
      firstByteMs ||= performance.now() - startedMs;
      if (name !== undefined) {
        received.update(chunk);
        return;
      }
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf(10);
      if (end < 0) return;
      name = head.toString('utf8', 0, end);
      received.update(head.subarray(end + 1));
    });
  });
  const size = Math.ceil(bytes / pieces);
  const send = async () => {
    for (let at = 0; at < bytes; at += size) {
      socket.write(payload.subarray(at, at + size));
      if (pauseMs > 0) await sleep(pauseMs);
    }
    socket.end();
  };
  await Promise.all([done, send()]);
  const sent = createHash('sha256').update(payload).digest('hex');
  if (received.digest('hex') !== sent) throw new Error('the echo differs');
  return { name: name ?? '', firstByteMs };
}

async function runUdp(job: UdpJob): Promise<TrafficResult> {
  const tally = createTally();
  for (let i = 0; i < job.sockets; i++) {
    const socket = createSocket(job.host.includes(':') ? 'udp6' : 'udp4');
    let before = '';
    for (let n = 0; n < job.datagrams; n++) {
      await tally.run(async () => {
        const answer = await exchangeUdp(socket, job);
        if (before !== '' && before !== answer.name) throw new Error('another backend answered');
        before = answer.name;
        return answer;
      });
    }
    socket.close();
  }
  return tally.result();
}

function exchangeUdp(socket: ReturnType<typeof createSocket>, job: UdpJob): Promise<Answer> {
  const payload = randomBytes(job.bytes ?? 1 + Math.floor(Math.random() * 1200));
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => finish(new Error('no answer')), UDP_TIMEOUT_MS);
    const onMessage = (datagram: Buffer) => {
      const end = datagram.indexOf(10);
      if (!datagram.subarray(end + 1).equals(payload)) finish(new Error('the echo differs'));
      else finish(undefined, datagram.toString('utf8', 0, end));
    };
    const finish = (error: Error | undefined, name = '') => {
      clearTimeout(timer);
      socket.off('message', onMessage);
      if (error) reject(error);
      else resolve({ name, firstByteMs: performance.now() - startedMs });
    };
    socket.on('message', onMessage);
    socket.send(payload, job.port, job.host);
  });
}

function createTally() {
  const answeredBy: Record<string, number> = {};
  const failures: string[] = [];
  let good = 0;
  let slowestMs = 0;
  return {
    async run(exchange: () => Promise<Answer>): Promise<void> {
      try {
        const { name, firstByteMs } = await exchange();
        good += 1;
        answeredBy[name] = (answeredBy[name] ?? 0) + 1;
        slowestMs = Math.max(slowestMs, firstByteMs);
      } catch (error) {
        failures.push((error as Error).message);
      }
    },
    result: (): TrafficResult => ({ good, failures, answeredBy, slowestMs: Math.round(slowestMs) }),
  };
}
