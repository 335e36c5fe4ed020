/**
 * The two ends of generated traffic, as programs for hosts of the lab.
 *
 * `node live.ts sink <ifindex> <folder>`: attaches the sink to the interface and ends; its map and
 * link stay pinned in that folder of bpffs.
 * `node live.ts generate <json>`: sends packets for a while; prints one JSON line with what was sent
 * and what arrived at the sink.
 */
import { fileURLToPath } from 'node:url';
import { type BpfObject, loadBpf } from '../../../src/system/bpf.ts';
import { u32 } from '../../support/dataplane-fixture.ts';

export interface GenerateJob {
  readonly ifindex: number;
  /** Hex of the first client's Ethernet frame: UDP over IPv4 in `FRAME_BYTES`. */
  readonly frame: string;
  /** A power of two; the source address counts up. */
  readonly clients: number;
  /** Odd: the order in which they come. */
  readonly step: number;
  readonly seconds: number;
  /** Sent before, and not counted. */
  readonly warmUpSeconds: number;
  readonly cpu: number;
  /** Where the sink is pinned. */
  readonly sink: string;
}

export interface Generated {
  readonly sent: number;
  readonly arrived: number;
  readonly seconds: number;
}

/** The smallest Ethernet frame, without its checksum. */
export const FRAME_BYTES = 60;
const BATCH = 64;
/** Packets a call; short against the time of a measurement. */
const CHUNK = 65_536;

const [kind, ...rest] = process.argv.slice(2);
if (process.argv[1] === import.meta.filename) {
  if (kind === 'sink') attachSink(Number(rest[0]), rest[1] ?? '');
  else console.log(JSON.stringify(await generate(JSON.parse(rest[0] ?? '{}'))));
}

function load(name: string, pinDir: string | undefined): BpfObject {
  const object = fileURLToPath(new URL(`../../../native/build/${name}.bpf.o`, import.meta.url));
  return loadBpf({ object, pinDir, maxEntries: {} });
}

function attachSink(ifindex: number, folder: string): void {
  load('bench-sink', folder).attach(ifindex, 'native', `${folder}/link-${ifindex}`);
}

async function generate(job: GenerateJob): Promise<Generated> {
  const frame = Buffer.from(job.frame, 'hex');
  const sink = load('bench-sink', job.sink);
  const generator = load('bench-generate', undefined);
  const stream = new Uint8Array(72);
  stream.set(new Uint8Array(new Uint32Array([job.clients - 1, job.step]).buffer));
  stream.set(frame.subarray(0, FRAME_BYTES), 8);
  generator.maps['generate_stream']?.update(u32(0), stream);
  const { ifindex, cpu } = job;
  const send = async (seconds: number) => {
    const startMs = performance.now();
    let sent = 0;
    while (performance.now() - startMs < 1000 * seconds) {
      await generator.testLive(frame, { ifindex, repeat: CHUNK, batch: BATCH, cpu });
      sent += CHUNK;
    }
    return { sent, seconds: (performance.now() - startMs) / 1000 };
  };
  await send(job.warmUpSeconds);
  const before = packetsAt(sink);
  const result = await send(job.seconds);
  return { ...result, arrived: packetsAt(sink) - before };
}

function packetsAt(sink: BpfObject): number {
  const counts = sink.maps['sink_packets']?.lookup(u32(0)) ?? new Uint8Array();
  return Number(new BigUint64Array(counts.slice().buffer).reduce((sum, one) => sum + one, 0n));
}
