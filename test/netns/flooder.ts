/**
 * An attacker, as a program for hosts of the lab: `node flooder.ts <json>` sends one frame again and
 * again, each time from another source address, for a while and at a bounded pace; prints how many.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadBpf } from '../../src/system/bpf.ts';
import { u32 } from '../support/dataplane-fixture.ts';

export interface FloodJob {
  /** Where the frames are sent; the other end runs XDP. */
  readonly ifindex: number;
  /** Hex of the first Ethernet frame: TCP or UDP over IPv4 in 60 bytes. */
  readonly frame: string;
  /** A power of two; the source address counts up, in an order that no cache guesses. */
  readonly sources: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly cpu: number;
}

const GENERATOR = fileURLToPath(
  new URL('../../native/build/bench-generate.bpf.o', import.meta.url),
);
const FRAME_BYTES = 60;
const SCATTER = 0x9e3779b1;
const BATCH = 64;
const TURN_MS = 10;

if (process.argv[1] === import.meta.filename) {
  console.log(await flood(JSON.parse(process.argv[2] ?? '{}')));
}

async function flood(job: FloodJob): Promise<number> {
  const frame = Buffer.from(job.frame, 'hex');
  const generator = loadBpf({ object: GENERATOR, pinDir: undefined, maxEntries: {} });
  const stream = new Uint8Array(72);
  stream.set(new Uint8Array(new Uint32Array([job.sources - 1, SCATTER]).buffer));
  stream.set(frame.subarray(0, FRAME_BYTES), 8);
  generator.maps['generate_stream']?.update(u32(0), stream);
  const { ifindex, cpu, perSecond, seconds } = job;
  const startMs = performance.now();
  let sent = 0;
  for (;;) {
    const elapsed = (performance.now() - startMs) / 1000;
    if (elapsed >= seconds) return sent;
    const due = Math.floor(elapsed * perSecond) - sent;
    if (due > 0) await generator.testLive(frame, { ifindex, repeat: due, batch: BATCH, cpu });
    sent += Math.max(due, 0);
    await sleep(TURN_MS);
  }
}
