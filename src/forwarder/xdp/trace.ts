import { fileURLToPath } from 'node:url';
import { type Abi, type BpfObject, loadBpfLater } from '../../system/bpf.ts';
import { structOf } from './abi-struct.ts';
import { bpfMap } from './bpf-map.ts';
import { indexKey } from './statistics.ts';
import { describeStep, type StepContext, type TraceStep } from './trace-steps.ts';

const TRACE_PATH = fileURLToPath(new URL('../../../native/build/trace.bpf.o', import.meta.url));

/** Packets in one trace: what they look up must find room in the overlay (`OVERLAY_MAX`). */
export const TRACE_PACKETS_MAX = 256;

export interface PacketTrace {
  /** `answered`: something of our own goes back, such as a reset, an echo reply, a SYN cookie. */
  readonly outcome: 'forwarded' | 'answered' | 'dropped' | 'passed';
  /** Why it was not forwarded, by counter name; else empty. */
  readonly reason: string;
  readonly steps: readonly TraceStep[];
  readonly before: Uint8Array;
  /** What was or would be sent; equal to `before` when it is not. */
  readonly after: Uint8Array;
}

export interface TraceParts extends Omit<StepContext, 'nowSec'> {
  readonly abi: Abi;
}

/** Counters of what goes back in the box's own name. */
const ANSWERS: readonly string[] = ['echo_replied', 'icmp_sent', 'reset_sent', 'cookie_sent'];
/** `enum xdp_action` */
const OUTCOMES = ['dropped', 'dropped', 'passed', 'forwarded', 'forwarded'] as const;

/** The program's second build, which uses the running program's maps and writes to none of them. */
export interface Tracer {
  /** Runs packets that came in by this interface; later ones see what earlier ones would change. */
  run(frames: readonly Uint8Array[], ifindex: number): readonly PacketTrace[];
  close(): void;
}

/**
 * The verifier takes some 0.4 s, off the event loop. Rejects with code `EABI` when the build on disk
 * is not the running one.
 */
export async function openTracer(parts: TraceParts): Promise<Tracer> {
  const tracer = await loadBpfLater({
    object: TRACE_PATH,
    pinDir: undefined,
    maxEntries: {},
    share: parts.object,
  });
  const overlay = bpfMap(tracer, 'overlay');
  return {
    run(frames, ifindex) {
      for (const { key } of overlay.entries()) overlay.delete(key);
      return frames.map((frame) => traceOne(parts, tracer, frame, ifindex));
    },
    close: () => tracer.close(),
  };
}

function traceOne(
  parts: TraceParts,
  tracer: BpfObject,
  before: Uint8Array,
  ifindex: number,
): PacketTrace {
  const log = bpfMap(tracer, 'trace_log');
  log.update(indexKey(0), new Uint8Array(log.valueSize));
  const { verdict, packet: after } = tracer.testRun(before, { ifindex });
  const nowSec = Number(process.hrtime.bigint() / 1_000_000_000n);
  const steps = readSteps({ ...parts, nowSec }, log.lookup(indexKey(0)) as Uint8Array);
  const counted = steps
    .filter(({ name }) => name === 'counted')
    .map(({ facts }) => String(facts['counter']));
  const outcome = outcomeOf(verdict, counted);
  const drop = counted.findLast((counter) => counter.startsWith('drop_'));
  const reason = drop ?? (outcome === 'dropped' ? (counted.at(-1) ?? '') : '');
  const leaves = outcome === 'forwarded' || outcome === 'answered';
  return { outcome, reason, steps, before, after: leaves ? after : before };
}

function outcomeOf(verdict: number, counted: readonly string[]): PacketTrace['outcome'] {
  const outcome = OUTCOMES[verdict] ?? 'dropped';
  const isOurs = counted.some((counter) => ANSWERS.includes(counter));
  return outcome === 'forwarded' && isOurs ? 'answered' : outcome;
}

function readSteps(parts: TraceParts & StepContext, bytes: Uint8Array): TraceStep[] {
  const { abi } = parts;
  const log = structOf(abi, 'tg_trace');
  const step = structOf(abi, 'tg_trace_step');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(log.offset('count'), true);
  const steps: TraceStep[] = [];
  for (let index = 0; index < count; index++) {
    const at = log.offset('steps') + index * step.size;
    const name = abi.traceSteps[view.getUint32(at + step.offset('name'), true)] ?? '';
    const word = (place: number) => view.getBigUint64(at + step.offset('words') + place * 8, true);
    if (name === 'begin') requireVersion(abi, Number(word(0)));
    else steps.push(describeStep(name, [word(0), word(1), word(2), word(3), word(4)], parts));
  }
  return steps;
}

function requireVersion(abi: Abi, version: number): void {
  if (version === abi.version) return;
  const message =
    `The trace program on disk has data plane version ${version}, the running one ${abi.version}; ` +
    'restart the forwarder';
  throw Object.assign(new Error(message), { code: 'EABI' });
}
