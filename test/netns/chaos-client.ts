/**
 * A client whose connections must never break, for a host of the lab: TCP connections and UDP flows
 * that talk all the time, and new TCP connections one after another.
 *
 * `node chaos-client.ts <json>` (`ChaosJob`) prints READY when all talk, and one JSON line
 * (`ChaosResult`) when it is told to end (SIGTERM). Times are in milliseconds since 1970.
 */
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ChaosJob {
  readonly hosts: readonly string[];
  readonly port: number;
  /** TCP connections to each host that stay open, and as many UDP flows. */
  readonly steady: number;
  /** Between two new connections to a host. */
  readonly freshEveryMs: number;
}

export interface Trouble {
  readonly startedMs: number;
  readonly endedMs: number;
  readonly what: string;
}

export interface ChaosResult {
  /** Steady connections that ended, or answered wrong; UDP flows that met another backend. */
  readonly broken: readonly Trouble[];
  /** When steady connections were without an answer for longer than `STILL_MS`. */
  readonly still: readonly Trouble[];
  readonly fresh: number;
  readonly failed: readonly Trouble[];
  readonly exchanges: number;
}

const TALK_EVERY_MS = 40;
const STILL_MS = 2000;
const FRESH_TIMEOUT_MS = 4000;
const RECORD = 16;

if (process.argv[1] === import.meta.filename) await main();

async function main(): Promise<void> {
  const job: ChaosJob = JSON.parse(process.argv[2] ?? '{}');
  const broken: Trouble[] = [];
  const still: Trouble[] = [];
  const failed: Trouble[] = [];
  const count = { fresh: 0, exchanges: 0 };
  let ending = false;
  const note = { broken, still, count, ending: () => ending };
  const steady = job.hosts.flatMap((host) =>
    Array.from({ length: job.steady }, () => [
      talkTcp(host, job.port, note),
      talkUdp(host, job.port, note),
    ]).flat(),
  );
  await Promise.all(steady);
  console.log('READY');
  const fresh = job.hosts.map((host) =>
    openAnew(host, job, { failed, count, isOver: () => ending }),
  );
  process.once('SIGTERM', async () => {
    ending = true;
    await Promise.all(fresh);
    const result: ChaosResult = { broken, still, failed, ...count };
    console.log(JSON.stringify(result));
    process.exit(0);
  });
}

interface Notes {
  readonly broken: Trouble[];
  readonly still: Trouble[];
  readonly count: { fresh: number; exchanges: number };
  ending(): boolean;
}

/** Notes when answers stay away. Returns what to call with each. */
function watchAnswers(what: string, { still, count }: Notes): () => void {
  let lastMs = Date.now();
  return () => {
    const nowMs = Date.now();
    if (nowMs - lastMs > STILL_MS) still.push({ startedMs: lastMs, endedMs: nowMs, what });
    lastMs = nowMs;
    count.exchanges += 1;
  };
}

/** Resolves with the first answer. */
function talkTcp(host: string, port: number, notes: Notes): Promise<void> {
  const startedMs = Date.now();
  const socket = connect({ host, port, noDelay: true });
  let expected = 0;
  let pending = Buffer.alloc(0);
  let named = false;
  let sent = 0;
  let answer = () => {};
  const end = (what: string) => {
    clearInterval(timer);
    const text = `TCP ${host} from ${socket.localPort}: ${what}`;
    if (!notes.ending()) notes.broken.push({ startedMs, endedMs: Date.now(), what: text });
    socket.destroy();
  };
  const timer = setInterval(() => {
    if (!named || sent - expected > 500) return;
    socket.write(String(sent).padStart(RECORD));
    sent += 1;
  }, TALK_EVERY_MS);
  socket.on('error', (error) => end(error.message));
  socket.on('end', () => end('ended by the server'));
  return new Promise((resolve) => {
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      if (!named) {
        const at = pending.indexOf(10);
        if (at < 0) return;
        answer = watchAnswers(`TCP ${host} from ${socket.localPort}`, notes);
        named = true;
        pending = pending.subarray(at + 1);
        resolve();
      }
      for (; pending.length >= RECORD; pending = pending.subarray(RECORD)) {
        const record = Number(pending.toString('latin1', 0, RECORD));
        if (record !== expected) return end(`answered ${record} in place of ${expected}`);
        expected += 1;
        answer();
      }
    });
  });
}

function talkUdp(host: string, port: number, notes: Notes): Promise<void> {
  const startedMs = Date.now();
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  let backend = '';
  let sent = 0;
  const answered = watchAnswers(`UDP ${host}`, notes);
  setInterval(() => {
    sent += 1;
    socket.send(String(sent), port, host, () => undefined);
  }, TALK_EVERY_MS);
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    socket.on('message', (datagram) => {
      answered();
      const name = datagram.toString('utf8', 0, datagram.indexOf(10));
      if (backend !== '' && name !== backend && !notes.ending()) {
        const what = `UDP ${host} from ${socket.address().port}: ${name} in place of ${backend}`;
        notes.broken.push({ startedMs, endedMs: Date.now(), what });
      }
      backend = name;
      resolve();
    });
  });
}

interface FreshNotes {
  readonly failed: Trouble[];
  readonly count: { fresh: number };
  isOver(): boolean;
}

async function openAnew(host: string, job: ChaosJob, notes: FreshNotes): Promise<void> {
  const running = new Set<Promise<void>>();
  while (!notes.isOver()) {
    const startedMs = Date.now();
    const one = exchange(host, job.port)
      .then(
        () => undefined,
        (error: Error) => {
          const what = `${host}: ${error.message}`;
          notes.failed.push({ startedMs, endedMs: Date.now(), what });
        },
      )
      .finally(() => running.delete(one));
    notes.count.fresh += 1;
    running.add(one);
    await sleep(job.freshEveryMs);
  }
  await Promise.all(running);
}

async function exchange(host: string, port: number): Promise<void> {
  const socket: Socket = connect({ host, port, noDelay: true });
  const text = String(Math.random());
  let got = '';
  try {
    await new Promise<void>((resolve, reject) => {
      socket.setTimeout(FRESH_TIMEOUT_MS, () => reject(new Error('timeout')));
      socket.on('error', reject);
      socket.on('connect', () => socket.end(text));
      socket.on('data', (chunk) => {
        got += chunk.toString('latin1');
      });
      socket.on('end', () => {
        if (got.endsWith(`\n${text}`)) resolve();
        else reject(new Error(`answered "${got.slice(0, 40)}"`));
      });
    });
  } finally {
    socket.destroy();
  }
}
