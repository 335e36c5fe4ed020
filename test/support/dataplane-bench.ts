/** A data plane on the maps of `fakeBpf`, driven by hand, with a look into what it wrote. */
import { formatAddress } from '../../src/domain/address.ts';
import type { Backend, VirtualServer } from '../../src/domain/forwarding.ts';
import {
  type BackendEntry,
  dataplaneLayout,
  decode,
  encode,
  type VipEntry,
} from '../../src/forwarder/xdp/abi.ts';
import { Dataplane } from '../../src/forwarder/xdp/dataplane.ts';
import { type AllowedClients, type BpfObject, dataplaneAbi } from '../../src/system/bpf.ts';
import { type FakeBpf, type FakeSizes, fakeBpf } from './fake-bpf.ts';
import { type FakeClock, fakeClock } from './fake-clock.ts';
import { type FakeNextHops, fakeNextHops } from './fake-next-hops.ts';
import { address, backend as plainBackend, virtualServer } from './objects.ts';
import { type RecordingLog, recordingLog } from './recording-log.ts';

export const layout = dataplaneLayout(dataplaneAbi());
export const VIP = '192.0.2.10';
export const NO_WRITES = { vips: 0, servers: 0, backends: 0, rings: 0 };

export interface DataplaneBench {
  readonly bpf: FakeBpf;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  readonly nextHops: FakeNextHops;
  readonly dataplane: Dataplane;
  /** What was asked of `endFlows`, call by call. */
  readonly ended: (readonly AllowedClients[])[];
  /** The last NAT filter. */
  natFilter: bigint;
  /** Servers that were told to have backends again, perhaps. */
  readonly healed: string[];
  /** Makes `endFlows` fail. */
  failEnding: boolean;
  /** A second process on the same maps. */
  restart(): Dataplane;
}

export function dataplaneBench(sizes: FakeSizes = {}): DataplaneBench {
  const bpf = fakeBpf(sizes);
  const clock = fakeClock();
  const log = recordingLog();
  const nextHops = fakeNextHops();
  const start = (adopt: boolean) =>
    new Dataplane({
      object: bpf.object,
      layout,
      nextHops,
      clock,
      log,
      sweepFlows: async () => bpf.sweepResult,
      endFlows: async (_object, rules) => {
        bench.ended.push(rules);
        if (bench.failEnding) throw new Error('Cannot end flows');
        return 0;
      },
      setNatFilter: (filter) => {
        bench.natFilter = filter;
      },
      onHealed: (ids) => void bench.healed.push(...ids),
      adopt,
    });
  const bench: DataplaneBench = {
    bpf,
    clock,
    log,
    nextHops,
    ended: [],
    natFilter: 0n,
    healed: [],
    failEnding: false,
    dataplane: start(false),
    restart: () => start(true),
  };
  return bench;
}

/** 10.0.1.`host`, port 8080. */
export function backendOf(host: number, fields: Partial<Backend> = {}): Backend {
  return plainBackend(`10.0.1.${host} 8080`, fields);
}

/** Port 80 of `VIP` unless said otherwise; active backends three times each in its ring. */
export function serverOf(
  backends: readonly Backend[],
  fields: Partial<VirtualServer> = {},
): VirtualServer {
  const active = [...backends.keys()].filter((index) => backends[index]?.use === 'active');
  const id = `${formatAddress(fields.address ?? address(VIP))} TCP ${fields.port ?? 80}`;
  const times = fields.choice === 'rendezvous' ? 1 : 3;
  const length = active.length * times;
  return virtualServer(id, backends, {
    choice: 'ring',
    ring: Uint16Array.from({ length }, (_, i) => active[i % active.length] ?? 0),
    ...fields,
  });
}

export function apply(dataplane: Dataplane, value: VirtualServer): void {
  dataplane.update(value.id, value);
}

export function vipOf(object: BpfObject, port = 80, protocol = 6, at = VIP): VipEntry | undefined {
  const key = encode(layout.vipKey, { address: address(at), port, protocol });
  const value = object.maps['vips']?.lookup(key);
  return value && decode(layout.vip, value);
}

export function backendAt(object: BpfObject, index: number): BackendEntry {
  const map = object.maps['backends'] as BpfObject['maps'][string];
  return layout.backend.read(new DataView(map.mapped()), index * layout.backend.size);
}

/** The words of the VIP's ring. */
export function ringWordsOf(object: BpfObject, vip: VipEntry): number[] {
  const memory = new Uint32Array(object.ringChunk(vip.ringChunk)?.mapped() as ArrayBuffer);
  const isPaired = vip.scheduler === layout.constant('TG_SCHEDULER_RENDEZVOUS');
  const words = vip.ringSize * (isPaired ? 2 : 1);
  return [...memory.subarray(vip.ringOffset, vip.ringOffset + words)];
}

/** The backends' addresses that the VIP's ring leads to, of either kind. */
export function ringOf(object: BpfObject, port = 80, at = VIP): string[] {
  const vip = vipOf(object, port, 6, at);
  if (!vip || vip.ringSize === 0) return [];
  const words = ringWordsOf(object, vip);
  const step = words.length / vip.ringSize;
  return Array.from({ length: vip.ringSize }, (_, place) => {
    const entry = backendAt(object, words[place * step] as number);
    return entry.server === vip.server ? formatAddress(entry.address) : 'of another server';
  });
}
