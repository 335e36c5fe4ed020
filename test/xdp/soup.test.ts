import test, { type ExecutionContext } from 'ava';
import { dataplaneAbi, sweepFlows } from '../../src/system/bpf.ts';
import { exhaustBudget } from '../support/budget.ts';
import {
  addressBytes,
  type BackendFields,
  encodeStruct,
  LOOPBACK,
  NAT_V4,
  NAT_V6,
  openDataplane,
  type Scheduler,
  u32,
} from '../support/dataplane-fixture.ts';
import { invariantBreaches } from '../support/flow-invariants.ts';
import { type ReadIp, readFrame } from '../support/frame-reader.ts';
import { createMutator, type Mutator } from '../support/mutate.ts';
import {
  BACKEND_PORT,
  createSoup,
  SOUP_BACKENDS,
  SOUP_PORTS,
  SOUP_VIPS,
  soupBackend,
} from '../support/packet-soup.ts';

/**
 * The whole program at once: sequences of packets of every kind, half of them damaged, while
 * settings, backends and time change. More rounds: SOUP_ROUNDS, another soup: SOUP_SEED.
 */
const ROUNDS = Number(process.env['SOUP_ROUNDS'] ?? 20_000);
const SEED = Number(process.env['SOUP_SEED'] ?? 20_261_121);
const { structs } = dataplaneAbi();
const FLOWS = 16;
/** Without these a soup is too thin. */
const EXPECTED = [
  'forwarded',
  'returned',
  'passed',
  'cookie_returned',
  'icmp_forwarded',
  'icmp_returned',
  'icmp_sent',
  'reset_sent',
  'echo_replied',
  'drop_handshake',
  'drop_too_big',
  'drop_ttl',
  'drop_source_range',
  'drop_backend_dead',
];
const dataplane = openDataplane({ flows: FLOWS, reverse: 2 * FLOWS });
const BOX = ['192.0.2.2', '2001:db8::2'] as const;
const ALLOWED = {
  acl: 1,
  prefixes: [
    ['198.51.100.0', 96 + 24],
    ['2001:db8:77::', 48],
  ],
} as const;

const hexOf = (address: string) => {
  const bytes = addressBytes(address);
  return Buffer.from(address.includes(':') ? bytes : bytes.subarray(12)).toString('hex');
};
const nats = new Set([NAT_V4, NAT_V6].map(hexOf));
const backends = new Set(SOUP_BACKENDS.flat().map(hexOf));
const vips = new Set(SOUP_VIPS.map(hexOf));
const boxes = new Set(BOX.map(hexOf));

function setUp(): void {
  dataplane.reset({ nat_port_last: 40_015 });
  for (let index = 1; index <= 8; index++) writeBackend(index);
  for (let server = 1; server <= 4; server++) writeServer(server, 'hash');
  const own = { ipv4: addressBytes(BOX[0]), ipv6: addressBytes(BOX[1]), mtu: 1500 };
  dataplane.map('interfaces').update(u32(LOOPBACK), encodeStruct('tg_interface', own));
  for (const [address, bits] of ALLOWED.prefixes) {
    const fields = { prefix_length: 32 + bits, acl: ALLOWED.acl, addr: addressBytes(address) };
    dataplane.map('acl').update(encodeStruct('tg_acl_key', fields), new Uint8Array([1]));
  }
}

function writeBackend(index: number, fields: Partial<BackendFields> = {}): void {
  const { address, server } = soupBackend(index);
  dataplane.backend({ index, address, server, port: BACKEND_PORT, counted: true, ...fields });
}

function writeServer(index: number, scheduler: Scheduler, vipFields: Record<string, number> = {}) {
  const first = 2 * index - 1;
  const { six, proto } = soupBackend(first);
  dataplane.server({
    index,
    vip: SOUP_VIPS[six],
    port: SOUP_PORTS[proto],
    protocol: proto,
    ring: [first, first + 1],
    scheduler,
    vipFields,
    resetDead: (vipFields['acl'] ?? 0) > 0,
    affinitySec: vipFields['affinity_s'] ?? 0,
  });
}

/** What an operator, a neighbour, time or an attacker does between two packets. */
async function disturb({ random }: Mutator): Promise<void> {
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;
  const config = new DataView(dataplane.map('config').mapped());
  const offset = (field: string) => structs['tg_config']?.offsets[field] ?? 0;
  switch (random(9)) {
    case 0:
      return config.setUint32(offset('flags'), random(4), true);
    case 1:
      return config.setUint32(offset('mtu_min'), pick([1500, 1280, 60, 0]), true);
    case 2:
      return config.setUint32(offset('replies_per_s'), pick([0, 1_000_000_000]), true);
    case 3:
    case 4:
      return exhaustBudget(dataplane, random(3) > 0);
    case 5:
      return dataplane.age(pick([1, 5, 40, 200]));
    case 6: {
      const active = random(3) > 0;
      const more = { reachable: random(6) > 0, keepsUdp: random(2) > 0, dead: random(2) > 0 };
      const way = { mtu: pick([1500, 1500, 1280, 100]), ifindex: pick([1, 1, 1, 9]) };
      return writeBackend(1 + random(8), { active, ...more, ...way, admit: pick([256, 256, 8]) });
    }
    case 7: {
      const scheduler = pick(['hash', 'rendezvous', 'round_robin', 'least'] as const);
      return writeServer(1 + random(4), scheduler, {
        acl: pick([0, 0, ALLOWED.acl]),
        affinity_s: pick([0, 0, 60]),
        new_flows_per_s: pick([0, 0, 5]),
        client_new_flows_per_s: pick([0, 0, 5]),
      });
    }
    default:
      await sweepFlows(dataplane.object);
  }
}

/** Sentences about what is wrong with a packet that was sent. */
function wrongs(before: ReadIp | undefined, after: ReadIp): string[] {
  const wrong: string[] = [];
  const isOwn = after.ttl === 64 && after.dst === before?.src;
  if (!isOwn && after.ttl !== (before?.ttl ?? 0) - 1) wrong.push('TTL');
  const toBackend = backends.has(after.dst);
  if (toBackend ? vips.has(after.src) : nats.has(after.src)) wrong.push('source of the other side');
  if (![vips, nats, boxes].some((known) => known.has(after.src))) wrong.push('source');
  const { quote } = after;
  if (quote && toBackend && !(quote.src === after.dst && nats.has(quote.dst)))
    wrong.push('quote of the other side, to a backend');
  if (quote && !toBackend && (nats.has(quote.src) || !vips.has(quote.dst)))
    wrong.push('quote of the other side, to a client');
  const own = before?.quote && before.icmpType === after.icmpType ? before.quote : before;
  for (const [name, now, then] of [
    ['IP', after, before],
    ['quoted IP', quote, own],
  ] as const) {
    if (now === undefined) continue;
    if (![0, then?.headerError].includes(now.headerError)) wrong.push(`${name} checksum`);
    const error = now.transportError;
    if (error !== undefined && ![0, then?.transportError].includes(error))
      wrong.push(`${name} transport checksum: ${error}, was ${then?.transportError}`);
  }
  return wrong;
}

function check(t: ExecutionContext, packet: Uint8Array): Uint8Array | undefined {
  const got = dataplane.send(packet);
  const hex = Buffer.from(packet).toString('hex');
  if (got.verdict === 'pass') t.is(Buffer.from(got.packet).toString('hex'), hex);
  if (got.verdict === 'drop' || got.verdict === 'pass') return undefined;
  const after = readFrame(got.packet);
  const wrong = after ? wrongs(readFrame(packet)?.ip, after.ip) : ['unreadable'];
  if (got.verdict !== 'tx') wrong.push(got.verdict);
  if (wrong.length > 0)
    t.fail(`${wrong.join(', ')}\n  in  ${hex}\n  out ${Buffer.from(got.packet).toString('hex')}`);
  return got.packet;
}

test.serial('whatever comes, what is sent is right and the table stays sound', async (t) => {
  setUp();
  const mutator = createMutator(SEED);
  const soup = createSoup(dataplane, mutator);
  for (let round = 0; round < ROUNDS; round++) {
    if (mutator.random(20) === 0) await disturb(mutator);
    const sent = check(t, soup.next());
    if (sent) soup.saw(sent);
    if (round % 500 === 499) t.deepEqual(invariantBreaches(dataplane), [], `round ${round}`);
  }
  const counters = dataplane.counters();
  t.log(counters);
  for (const name of EXPECTED) t.true((counters[name] ?? 0) > 0, name);
});
