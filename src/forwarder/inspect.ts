import type { Clock } from '../domain/clock.ts';
import type { Mac } from '../domain/mac.ts';
import { dataplaneAbi, type SweepResult } from '../system/bpf.ts';
import type { Port } from './interfaces.ts';
import type { Network } from './network.ts';
import { type Capture, type CaptureFilter, startCapture } from './xdp/capture.ts';
import type { Dataplane, ServerTotals } from './xdp/dataplane.ts';
import type { LoadedProgram } from './xdp/load.ts';
import { type NatUse, natUse } from './xdp/nat-use.ts';
import { openTracer, type PacketTrace, TRACE_PACKETS_MAX, type Tracer } from './xdp/trace.ts';

export interface InspectParts {
  readonly clock: Clock;
  readonly dataplane: Pick<Dataplane, 'serverTotals'>;
  readonly lastSweep: () => SweepResult | undefined;
  readonly program: LoadedProgram;
  readonly network: Pick<Network, 'links'>;
  /** That carry the program. */
  readonly ports: () => Iterable<Port>;
}

/** Looking inside the running program. Nothing here changes what becomes of packets. */
export interface Inspection {
  /** Frames that come in by a port; the first one when none is named. */
  trace(port: string | undefined, frames: FramesFor): Promise<TraceAnswer>;
  /** Starts at once, one at a time; whoever starts one stops it. */
  capture(filter: CaptureFilter): CaptureAnswer;
  /** What went through each virtual server, by id, in all and all at once. */
  totals(): ReadonlyMap<string, ServerTotals>;
  natUse(): NatUse;
  /** A capture is under way. */
  isCapturing(): boolean;
  stop(): void;
}

export type CaptureAnswer =
  | { readonly capture: Capture; readonly refusal?: never }
  | { readonly refusal: string };

/** The frames, once it is known which MAC they must be sent to. */
export type FramesFor = (portMac: Mac) => readonly Uint8Array[];

export type TraceAnswer =
  | {
      readonly port: string;
      readonly packets: readonly PacketTrace[];
      /** Frames beyond `TRACE_PACKETS_MAX`. */
      readonly omitted: number;
      readonly refusal?: never;
    }
  | { readonly refusal: string };

const NO_MAC = 0 as Mac;
const NO_NAT_USE: NatUse = { addresses: [], fullest: 0 };

export function createInspection(parts: InspectParts): Inspection {
  const { program, network } = parts;
  const nameOf = (ifindex: number) => network.links.get(ifindex)?.name ?? `interface ${ifindex}`;
  const interfaceOfMac = (mac: Mac) =>
    [...parts.ports()].find(({ ifindex }) => network.links.get(ifindex)?.mac === mac)?.name;
  let running: Capture | undefined;
  let isTracing = false;
  return {
    capture(filter) {
      if (running) return { refusal: 'Another capture is running; end it, or wait for its end' };
      const { object, config } = program;
      const started = startCapture(
        {
          object,
          config,
          abi: dataplaneAbi(),
          interfaceName: nameOf,
          interfaceOfMac,
          nowNs: () => BigInt(Math.round(parts.clock.wallMs())) * 1_000_000n,
        },
        filter,
      );
      const capture = {
        ...started,
        stop() {
          started.stop();
          if (running === capture) running = undefined;
        },
      };
      running = capture;
      return { capture };
    },
    totals: () => new Map(parts.dataplane.serverTotals(parts.lastSweep()?.flowsByServer)),
    natUse() {
      const sweep = parts.lastSweep();
      return sweep ? natUse(program.object, program.layout, sweep) : NO_NAT_USE;
    },
    isCapturing: () => running !== undefined,
    stop: () => running?.stop(),
    async trace(wanted, frames) {
      if (isTracing) return { refusal: 'Another trace is running; ask again in a moment' };
      const ports = [...parts.ports()];
      const port = wanted === undefined ? ports[0] : ports.find(({ name }) => name === wanted);
      if (!port) return { refusal: refusalOf(wanted, ports) };
      const { object, layout } = program;
      const context = { object, layout, abi: dataplaneAbi(), interfaceName: nameOf };
      let tracer: Tracer | undefined;
      isTracing = true;
      try {
        tracer = await openTracer(context);
        const mac = network.links.get(port.ifindex)?.mac ?? NO_MAC;
        const all = frames(mac);
        const packets = tracer.run(all.slice(0, TRACE_PACKETS_MAX), port.ifindex);
        return { port: port.name, packets, omitted: all.length - packets.length };
      } finally {
        isTracing = false;
        tracer?.close();
      }
    },
  };
}

function refusalOf(wanted: string | undefined, ports: readonly Port[]): string {
  if (ports.length === 0) return 'No interface carries the program; see "tidegate status"';
  const names = ports.map(({ name }) => name).join(', ');
  return `Interface "${wanted}" does not carry the program; these do: ${names}`;
}
