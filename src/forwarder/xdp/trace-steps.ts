import { type Address, familyOf, formatAddress } from '../../domain/address.ts';
import { formatMac } from '../../domain/mac.ts';
import type { BpfMap, BpfObject } from '../../system/bpf.ts';
import { type Codec, type DataplaneLayout, decode } from './abi.ts';
import { bpfMap } from './bpf-map.ts';
import { flowStates } from './flow-state.ts';
import { serverId } from './server-id.ts';
import { indexKey } from './statistics.ts';

/** What a packet met, by the names of `TG_TRACE_STEPS`; `facts` are for people and programs. */
export interface TraceStep {
  readonly name: string;
  readonly facts: TraceFacts;
}

export type TraceFacts = Readonly<Record<string, string | number | boolean>>;

export interface StepContext {
  readonly object: BpfObject;
  readonly layout: DataplaneLayout;
  readonly interfaceName: (ifindex: number) => string;
  /** CLOCK_MONOTONIC in seconds, as the program counts. */
  readonly nowSec: number;
}

type Words = readonly [bigint, bigint, bigint, bigint, bigint];
type Describe = (words: Words, context: StepContext) => TraceFacts;

const SCHEDULERS = ['RENDEZVOUS', 'HASH', 'ROUND_ROBIN', 'LEAST'] as const;
const FLOW_FLAGS = [
  'FIN_CLIENT',
  'FIN_BACKEND',
  'RST_CLIENT',
  'RST_BACKEND',
  'ANSWERED',
  'CONFIRMED',
  'PROXIED',
] as const;

/** What the numbers of a step mean now. Indices are looked up in the live maps. */
export function describeStep(name: string, words: Words, context: StepContext): TraceStep {
  return { name, facts: DESCRIBE[name]?.(words, context) ?? {} };
}

const flowFacts: Describe = ([index, word, backend, natPort, lastSec], context) => ({
  entry: Number(index),
  ...wordFacts(word, context.layout),
  backend: backendName(context, Number(backend)),
  natAddress: natAddress(context, Number(word >> 56n)),
  natPort: swap16(Number(natPort)),
  idleSeconds: Math.max(0, context.nowSec - Number(lastSec)),
});

const claimFacts: Describe = ([index, word], { layout }) => ({
  entry: Number(index),
  was: word === 0n ? 'free' : wordFacts(word, layout).state,
});

const DESCRIBE: Readonly<Record<string, Describe>> = {
  vip_port: ([server, scheduler, places], context) => ({
    server: serverName(context, Number(server)),
    scheduler: nameOf(context.layout, 'TG_SCHEDULER_', SCHEDULERS, Number(scheduler)),
    places: Number(places),
  }),
  answer: flowFacts,
  flow_found: flowFacts,
  source_range: ([list, admitted]) => ({ list: Number(list), admitted: admitted === 1n }),
  affinity: ([, backend], context) => ({ backend: backendName(context, Number(backend)) }),
  drawn: ([backend], context) => ({ backend: backendName(context, Number(backend)) }),
  slow_start: ([backend, admit], context) => ({
    backend: backendName(context, Number(backend)),
    takesOf256: Number(admit),
  }),
  backend: ([backend, flags], context) => backendFacts(context, Number(backend), Number(flags)),
  claimed: claimFacts,
  displaced: claimFacts,
  nat: ([address, port, failed], context) => ({
    natAddress: natAddress(context, Number(address)),
    natPort: Number(port),
    failedTries: Number(failed),
  }),
  followed: ([before, after], { layout }) => ({
    before: wordFacts(before, layout).state,
    ...wordFacts(after, layout),
  }),
  sent: ([ifindex], context) => ({ interface: context.interfaceName(Number(ifindex)) }),
  counted: ([counter], { layout }) => ({ counter: layout.counters[Number(counter)] ?? '' }),
};

/** The parts of a `union tg_flow_word` that mean something to people. */
function wordFacts(word: bigint, layout: DataplaneLayout) {
  const flags = Number((word >> 48n) & 0xffn);
  const set = FLOW_FLAGS.filter((name) => flags & layout.constant(`TG_FLOW_${name}`));
  const state = flowStates(layout).get(Number((word >> 40n) & 0xffn)) ?? 'being set up';
  return { state, flags: set.join(' ').toLowerCase() };
}

function backendFacts(context: StepContext, index: number, flags: number): TraceFacts {
  const backend = entry(context, 'backends', context.layout.backend, index);
  const has = (name: string) => (flags & context.layout.constant(`TG_BACKEND_${name}`)) !== 0;
  return {
    backend: backendName(context, index),
    reachable: has('REACHABLE'),
    takesNewFlows: has('ACTIVE'),
    ...(backend &&
      has('REACHABLE') && {
        interface: context.interfaceName(backend.ifindex),
        nextHopMac: formatMac(backend.dstMac),
        sourceMac: formatMac(backend.srcMac),
        mtu: backend.mtu,
        ...(backend.vlan !== 0 && { vlan: backend.vlan }),
      }),
  };
}

function backendName(context: StepContext, index: number): string {
  const backend = index > 0 && entry(context, 'backends', context.layout.backend, index);
  return backend ? endpointText(backend.address, backend.port) : '';
}

function serverName(context: StepContext, index: number): string {
  const server = entry(context, 'servers', context.layout.server, index);
  return server ? serverId(server) : '';
}

function natAddress(context: StepContext, index: number): string {
  const nat = entry(context, 'nat_addresses', context.layout.natAddress, index);
  return nat ? formatAddress(nat.address) : '';
}

function entry<T>(
  { object }: StepContext,
  map: string,
  codec: Codec<T>,
  index: number,
): T | undefined {
  const bytes = lookup(bpfMap(object, map), index);
  return bytes && decode(codec, bytes);
}

function lookup(map: BpfMap, index: number): Uint8Array | undefined {
  return index < map.maxEntries ? map.lookup(indexKey(index)) : undefined;
}

function nameOf(
  layout: DataplaneLayout,
  prefix: string,
  names: readonly string[],
  value: number,
): string {
  const name = names.find((each) => layout.constant(prefix + each) === value) ?? String(value);
  return name.toLowerCase().replace('_', '-');
}

function endpointText(address: Address, port: number): string {
  const text = formatAddress(address);
  return familyOf(address) === 6 ? `[${text}]:${port}` : `${text}:${port}`;
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}
