import {
  type BpfMap,
  type BpfObject,
  dataplaneAbi,
  type SweepResult,
  type XdpMode,
} from '../../src/system/bpf.ts';

/**
 * The maps of the data plane in this process's memory, with the layouts of the real ones: for tests
 * that fail on purpose, that look at the maps between two writes, or that start a second time on what
 * a first run left.
 */
export interface FakeBpf {
  readonly object: BpfObject;
  /** Called before each update of `vips`, when everything it refers to must be in place. */
  onVipUpdate: (key: Uint8Array, value: Uint8Array) => void;
  /** Makes `attach` throw. */
  onAttach: (ifindex: number, mode: XdpMode, pin: string) => void;
  readonly attached: Map<number, XdpMode>;
  /** What the next sweep finds. */
  sweepResult: SweepResult;
  /** How many system calls there were, by map name. */
  readonly calls: Record<string, number>;
}

export interface FakeSizes {
  readonly servers?: number;
  readonly backends?: number;
  readonly vips?: number;
  readonly flows?: number;
  readonly acl?: number;
  readonly affinityBackends?: number;
  readonly natAddresses?: number;
}

const CPUS = 2;

export function fakeBpf(sizes: FakeSizes = {}): FakeBpf {
  const abi = dataplaneAbi();
  const { servers = 16, backends = 64, vips = 32, flows = 64, acl = 64 } = sizes;
  const natAddresses = sizes.natAddresses ?? (abi.constants['TG_NAT_ADDRESSES_MAX'] as number);
  const affinityBackends = sizes.affinityBackends ?? backends;
  const size = (name: string) => abi.structs[name]?.size as number;
  const calls: Record<string, number> = {};
  const count = (name: string) => {
    calls[name] = (calls[name] ?? 0) + 1;
  };
  const vipMap = hashMap('vips', size('tg_vip_key'), size('tg_vip'), vips, count);
  const chunks: BpfMap[] = [];
  const fake: FakeBpf = {
    onVipUpdate: () => undefined,
    onAttach: () => undefined,
    attached: new Map(),
    sweepResult: {
      flows: 0,
      expired: 0,
      flowsByServer: new Uint32Array(servers),
      flowsByBackend: new Uint32Array(backends),
      flowsByNatAddress: new Uint32Array(natAddresses),
    },
    calls,
    object: {
      maps: {
        config: arrayMap('config', size('tg_config'), 1, count),
        vips: {
          ...vipMap,
          update(key, value) {
            fake.onVipUpdate(key, value);
            vipMap.update(key, value);
          },
        },
        servers: arrayMap('servers', size('tg_server'), servers, count),
        backends: arrayMap('backends', size('tg_backend'), backends, count),
        nat_addresses: arrayMap('nat_addresses', size('tg_nat_address'), natAddresses, count),
        affinity_backends: hashMap(
          'affinity_backends',
          size('tg_affinity_backend_key'),
          4,
          affinityBackends,
          count,
        ),
        // The kernel's trie says it in another way.
        acl: hashMap('acl', size('tg_acl_key'), 1, acl, count, 'ENOSPC'),
        flows: arrayMap('flows', size('tg_flow'), flows, count),
        ports: hashMap('ports', 4, 4, 64, count),
        server_stats: arrayMap('server_stats', size('tg_stats'), servers, count, CPUS),
        backend_stats: arrayMap('backend_stats', size('tg_stats'), backends, count, CPUS),
        counters: arrayMap('counters', 8, abi.counters.length, count, CPUS),
      },
      addRingChunk(index) {
        const words = abi.constants['TG_RING_CHUNK_ENTRIES'] as number;
        const line = 4 * (abi.constants['TG_RING_LINE_WORDS'] as number);
        chunks[index] = arrayMap('ring_chunk', line, (words * 4) / line, count);
        return chunks[index];
      },
      ringChunk: (index) => chunks[index],
      attach(ifindex, mode, pin) {
        fake.onAttach(ifindex, mode, pin);
        fake.attached.set(ifindex, mode);
      },
      testRun: () => {
        throw new Error('There is no program to run');
      },
      close: () => undefined,
    } as Partial<BpfObject> as BpfObject,
  };
  return fake;
}

function arrayMap(
  name: string,
  valueSize: number,
  maxEntries: number,
  count: (name: string) => void,
  cpus = 1,
): BpfMap {
  const stride = Math.ceil(valueSize / 8) * 8 * cpus;
  const memory = new ArrayBuffer(stride * maxEntries);
  const bytes = new Uint8Array(memory);
  const at = (key: Uint8Array) => new DataView(key.buffer, key.byteOffset).getUint32(0, true);
  return {
    name,
    keySize: 4,
    valueSize,
    maxEntries,
    lookup(key) {
      count(name);
      const size = cpus > 1 ? stride : valueSize;
      return at(key) < maxEntries
        ? bytes.slice(at(key) * stride, at(key) * stride + size)
        : undefined;
    },
    update(key, value) {
      count(name);
      bytes.set(value, at(key) * stride);
    },
    delete: () => false,
    updateBatch: () => undefined,
    entries: () => [],
    mapped: () => memory,
    sums(entries) {
      const counts = new BigUint64Array(memory);
      const words = valueSize / 8;
      return Float64Array.from({ length: entries * words }, (_, place) => {
        const from = Math.floor(place / words) * words * cpus + (place % words);
        let sum = 0;
        for (let cpu = 0; cpu < cpus; cpu++) sum += Number(counts[from + cpu * words]);
        return sum;
      });
    },
  };
}

function hashMap(
  name: string,
  keySize: number,
  valueSize: number,
  maxEntries: number,
  count: (name: string) => void,
  fullCode = 'E2BIG',
): BpfMap {
  const elements = new Map<string, { readonly key: Uint8Array; readonly value: Uint8Array }>();
  const text = (key: Uint8Array) => Buffer.from(key).toString('hex');
  const put = (key: Uint8Array, value: Uint8Array) => {
    if (!elements.has(text(key)) && elements.size >= maxEntries) {
      throw Object.assign(new Error(`Cannot write map "${name}"`), { code: fullCode });
    }
    elements.set(text(key), { key: key.slice(), value: value.slice() });
  };
  return {
    name,
    keySize,
    valueSize,
    maxEntries,
    lookup: (key) => elements.get(text(key))?.value,
    update(key, value) {
      count(name);
      put(key, value);
    },
    delete(key) {
      count(name);
      return elements.delete(text(key));
    },
    updateBatch(keys, values, entries) {
      count(name);
      for (let i = 0; i < entries; i++) {
        put(
          keys.subarray(i * keySize, (i + 1) * keySize),
          values.subarray(i * valueSize, (i + 1) * valueSize),
        );
      }
    },
    entries: () => [...elements.values()],
    mapped: () => {
      throw new Error(`Map "${name}" has no shared memory`);
    },
    sums: () => {
      throw new Error(`Map "${name}" is no array of counts`);
    },
  };
}
