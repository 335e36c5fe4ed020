/**
 * Changes endpoints by the API server, one after the other, and tells when each change came where.
 *
 * `node api-changes.ts <json>` beside a forwarder that reaches the API server through the relay that
 * this opens: what is written to the forwarder's socket here has arrived there. Prints a line
 * `relays`, waits until the forwarder has everything in its maps, then prints a JSON line a round.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApiClient } from '../../../lab/kubernetes/api-client.ts';
import { inParallel } from '../../../lab/kubernetes/bulk.ts';
import { endpointsOf, slicePath } from '../api-cluster.ts';
import { changedService } from '../large-cluster.ts';

export interface ApiChangesJob {
  readonly url: string;
  readonly ca: string;
  readonly token: string;
  /** Port of the relay, on 127.0.0.1. */
  readonly port: number;
  /** The forwarder's log; not there before it starts. */
  readonly log: string;
  readonly services: number;
  readonly rounds: number;
  /** A round. */
  readonly changes: number;
  /** After the last round, as fast as they can be written. */
  readonly churn: number;
}

/** When a change came where, ms after it was sent to the API server. */
export interface ApiChange {
  /** The first piece of the watch on its way into the forwarder. */
  readonly arrivedMs: number;
  readonly answeredMs: number;
  /** The forwarder's log has whole milliseconds: this is the end of the one. */
  readonly appliedMs: number;
}

export interface ApiChangesRound {
  readonly changes: readonly ApiChange[];
}

const MERGE_PATCH = 'application/merge-patch+json';
const APPLIED = /^.*"target":"xdp".*\n/m;
const START_LIMIT_MS = 120_000;
const CHANGE_LIMIT_MS = 5000;
const POLL_MS = 1;
/** Until a forwarder that has just started has nothing more to do. */
const SETTLE_MS = 6000;
/** Between two changes, so that each finds the forwarder at rest. */
const PAUSE_MS = 20;

const job: ApiChangesJob = JSON.parse(process.argv[2] ?? '{}');
const { url, ca, token } = job;
const client = createApiClient({ url, ca, token });
let pieces: number[] = [];

createServer((inner) => {
  const { hostname, port } = new URL(url);
  const outer = connect({ host: hostname, port: Number(port) });
  for (const socket of [inner, outer]) socket.setNoDelay(true);
  inner.on('error', () => outer.destroy());
  outer.on('error', () => inner.destroy());
  inner.pipe(outer);
  inner.on('close', () => outer.destroy());
  outer.on('data', (piece) => {
    pieces.push(now());
    inner.write(piece);
  });
  outer.on('end', () => inner.end());
}).listen(job.port, '127.0.0.1', () => console.log('relays'));

const lines = followLog();
await lines.next((line) => JSON.parse(line).objects === job.services, START_LIMIT_MS);
await sleep(SETTLE_MS);
let turn = 0;
for (let round = 1; round <= job.rounds; round++) {
  const changes: ApiChange[] = [];
  for (let i = 0; i < job.changes; i++) {
    changes.push(await change());
    await sleep(PAUSE_MS);
  }
  console.log(JSON.stringify({ changes } satisfies ApiChangesRound));
}
await inParallel(job.churn, async () => {
  turn += 1;
  await write(changedService(turn, job.services), turn);
});
await sleep(SETTLE_MS);
console.log('churned');

async function change(): Promise<ApiChange> {
  turn += 1;
  lines.skip();
  pieces = [];
  const sent = now();
  const answered = write(changedService(turn, job.services), turn).then(now);
  const line = await lines.next(() => true, CHANGE_LIMIT_MS);
  const [arrived] = pieces;
  if (arrived === undefined) throw new Error('A change came to the maps past the relay');
  return {
    arrivedMs: arrived - sent,
    answeredMs: (await answered) - sent,
    appliedMs: Date.parse(JSON.parse(line).time) + 1 - sent,
  };
}

function write(index: number, at: number): Promise<unknown> {
  return client.must('PATCH', slicePath(index), { endpoints: endpointsOf(index, at) }, MERGE_PATCH);
}

/** Ms since 1970, finer than the clock's whole ones. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Lines of the log that say that something is in the maps. */
function followLog() {
  let position = 0;
  let rest = '';
  const read = () => {
    if (!existsSync(job.log)) return;
    const file = openSync(job.log, 'r');
    const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - position));
    position += readSync(file, bytes, 0, bytes.length, position);
    closeSync(file);
    rest += bytes.toString();
  };
  return {
    skip() {
      read();
      rest = '';
    },
    async next(isWanted: (line: string) => boolean, limitMs: number): Promise<string> {
      for (const endMs = now() + limitMs; now() < endMs; await sleep(POLL_MS)) {
        read();
        for (let found = APPLIED.exec(rest); found; found = APPLIED.exec(rest)) {
          rest = rest.slice(found.index + found[0].length);
          if (isWanted(found[0])) return found[0];
        }
      }
      throw new Error(`Nothing reached the maps in ${limitMs} ms`);
    },
  };
}
