import test from 'ava';
import fc from 'fast-check';
import { formatAddress } from '../../src/domain/address.ts';
import type { VirtualServer } from '../../src/domain/forwarding.ts';
import { type Prefix, parsePrefix } from '../../src/domain/prefix.ts';
import { SCHEDULERS } from '../../src/domain/scheduler.ts';
import { decode } from '../../src/forwarder/xdp/abi.ts';
import type { Dataplane } from '../../src/forwarder/xdp/dataplane.ts';
import { INDEX_GRACE_MS } from '../../src/forwarder/xdp/index-pool.ts';
import {
  apply,
  backendAt,
  backendOf,
  type DataplaneBench,
  dataplaneBench,
  layout,
  ringWordsOf,
  serverOf,
} from '../support/dataplane-bench.ts';
import { resolvedHop } from '../support/fake-next-hops.ts';
import { mortalMaps } from '../support/mortal-maps.ts';
import { address } from '../support/objects.ts';

const SIZES = { servers: 9, backends: 64, vips: 32 };
const CLIENTS = ['198.51.100.0/24', '203.0.113.0/25', '2001:db8::/32'].map(
  (text) => parsePrefix(text) as Prefix,
);
const HOSTS = [1, 2, 3, 4, 5, 6];

interface Wish {
  readonly port: number;
  readonly hosts: readonly number[];
  readonly down: number;
  readonly scheduler: VirtualServer['scheduler'];
  readonly choice: VirtualServer['choice'];
  readonly affinityTimeoutSec: number;
  readonly sourceRanges: readonly Prefix[];
}

const wish = fc.record<Wish>({
  port: fc.integer({ min: 1, max: 6 }),
  hosts: fc.uniqueArray(fc.constantFrom(...HOSTS), { maxLength: 4 }),
  down: fc.nat(3),
  scheduler: fc.constantFrom(...SCHEDULERS),
  choice: fc.constantFrom('rendezvous' as const, 'ring' as const),
  affinityTimeoutSec: fc.constantFrom(0, 60),
  sourceRanges: fc.subarray(CLIENTS),
});
const wishes = fc.uniqueArray(wish, { maxLength: 6, selector: ({ port }) => port });

function serverFor({ hosts, down, scheduler, choice, ...fields }: Wish): VirtualServer {
  const backends = [...hosts]
    .sort()
    .map((host, i) => backendOf(host, { use: i === down ? 'down' : 'active' }));
  return serverOf(backends, {
    ...fields,
    scheduler,
    choice: scheduler === 'maglev' ? choice : 'ring',
  });
}

/** As the reconciler does it: what is there and not wanted goes. */
function applyAll(dataplane: Dataplane, plan: readonly Wish[]): void {
  const servers = plan.map(serverFor);
  const wanted = new Set(servers.map(({ id }) => id));
  for (const id of [...dataplane.list()]) if (!wanted.has(id)) dataplane.remove(id);
  for (const server of servers) apply(dataplane, server);
  dataplane.commit();
}

/** The sources towards each host: one of three groups, of one address or several. */
function setSources({ nextHops }: DataplaneBench, shift: number): void {
  const groups = [['10.0.0.1'], ['10.0.0.1', '10.0.0.2', '10.0.0.3'], ['10.0.0.4', '10.0.0.5']];
  for (const host of HOSTS) {
    const sources = (groups[(host + shift) % 3] ?? []).map(address);
    nextHops.hops.set(address(`10.0.1.${host}`), resolvedHop(undefined, sources));
  }
}

async function rest(bench: DataplaneBench, dataplane: Dataplane): Promise<void> {
  for (let i = 0; i < 3; i++) {
    bench.clock.advance(2 * INDEX_GRACE_MS);
    await dataplane.sweep();
  }
}

/** What the maps say, without the numbers by which they say it. */
function meaning({ bpf: { object } }: DataplaneBench) {
  const backendText = (index: number) => {
    const { natFirst, natCount, server, ...entry } = backendAt(object, index);
    const nats = Array.from({ length: natCount }, (_, i) => natAt(object, natFirst + i));
    return { ...entry, endpoint: 0, nats, server: serverAt(object, server) };
  };
  const vips = object.maps['vips']?.entries() ?? [];
  return vips
    .map(({ key, value }) => {
      const { address: vip, port } = decode(layout.vipKey, key);
      const { server, ringChunk, ringOffset, acl, ...entry } = decode(layout.vip, value);
      const ring = port === 0 ? [] : ringWordsOf(object, decode(layout.vip, value));
      const step = entry.ringSize > 0 ? ring.length / entry.ringSize : 1;
      const places = ring.filter((_, i) => i % step === 0).map(backendText);
      return {
        vip: `${formatAddress(vip)} ${port}`,
        ...entry,
        server: port === 0 ? '' : serverAt(object, server),
        ring: places,
        clients: clientsOf(object, acl),
      };
    })
    .sort((a, b) => (a.vip < b.vip ? -1 : 1));
}

type Maps = DataplaneBench['bpf']['object'];

function natAt(object: Maps, index: number): string {
  const memory = object.maps['nat_addresses']?.mapped() as ArrayBuffer;
  return formatAddress(layout.natAddress.read(new DataView(memory), index * 16).address);
}

function serverAt(object: Maps, index: number): string {
  const memory = object.maps['servers']?.mapped() as ArrayBuffer;
  const at = index * layout.server.size;
  const { address: vip, port, inUse } = layout.server.read(new DataView(memory), at);
  return `${formatAddress(vip)} ${port} ${inUse}`;
}

function clientsOf(object: Maps, acl: number): string[] {
  const keys = (object.maps['acl']?.entries() ?? []).map(({ key }) => decode(layout.aclKey, key));
  return keys
    .filter((key) => acl !== 0 && key.acl === acl)
    .map((key) => `${key.prefixLength} ${formatAddress(key.address)}`)
    .sort();
}

function backendIndices(object: Maps): number[] {
  const count = object.maps['backends']?.maxEntries ?? 0;
  return [...Array(count).keys()].filter((index) => backendAt(object, index).server !== 0);
}

/** How much of everything is in use, by the tables and by the maps. */
function amounts({ bpf: { object } }: DataplaneBench, dataplane: Dataplane) {
  const { writes: _, rings, sourceRanges, ...usage } = dataplane.usage();
  const elements = (name: string) => object.maps[name]?.entries().length;
  const occupied = (name: string, size: number) => {
    const bytes = Buffer.from(object.maps[name]?.mapped() as ArrayBuffer);
    const values = Array.from({ length: bytes.length / size }, (__, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    return values.filter((value) => value.some((byte) => byte !== 0)).length;
  };
  return {
    ...usage,
    words: rings.words,
    lists: sourceRanges.lists,
    vips: elements('vips'),
    acl: elements('acl'),
    affinity: elements('affinity_backends'),
    // One without a server, or not in use, is nobody's, and is written anew by who takes it.
    backendRecords: backendIndices(object).length,
    serverRecords: [...Array(SIZES.servers).keys()].filter((i) =>
      serverAt(object, i).endsWith(' 1'),
    ).length,
    natRecords: occupied('nat_addresses', 16),
  };
}

test('whenever a process dies, the next one mends all and leaks nothing', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      wishes,
      wishes,
      wishes,
      fc.record({ writes: fc.integer({ min: 1, max: 120 }), words: fc.nat(16), shift: fc.nat(2) }),
      async (first, second, third, { writes, words, shift }) => {
        const bench = dataplaneBench(SIZES);
        const mortal = mortalMaps(bench.bpf.object);
        try {
          setSources(bench, 0);
          applyAll(bench.dataplane, first);
          await rest(bench, bench.dataplane);
          mortal.dieAfter(writes, words);
          setSources(bench, shift);
          bench.dataplane.refreshNextHops(HOSTS.map((host) => address(`10.0.1.${host}`)));
          applyAll(bench.dataplane, second);
          await rest(bench, bench.dataplane);
          mortal.revive();
          const next = bench.restart();
          next.refreshNextHops(HOSTS.map((host) => address(`10.0.1.${host}`)));
          applyAll(next, third);
          await rest(bench, next);
          const fresh = dataplaneBench(SIZES);
          setSources(fresh, shift);
          applyAll(fresh.dataplane, third);
          await rest(fresh, fresh.dataplane);
          t.deepEqual(meaning(bench), meaning(fresh));
          t.deepEqual(amounts(bench, next), amounts(fresh, fresh.dataplane));
        } finally {
          mortal.release();
        }
      },
    ),
    { numRuns: Number(process.env['DEATHS'] ?? 300), seed: 20_261_121 },
  );
});
