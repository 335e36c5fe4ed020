import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { Lab } from '../../lab/lab.ts';
import { createLab } from '../../lab/lab.ts';
import { buildLan, type Lan } from '../../lab/lan.ts';
import type { Router, RouterKind, RouterOptions } from '../../lab/routers/router.ts';
import { ROUTER_KINDS, startRouter } from '../../lab/routers/start-router.ts';
import type { Family } from '../../src/domain/address.ts';
import { type CodecContext, INITIAL_CONTEXT } from '../../src/protocol/bgp/codec-context.ts';
import { decodeMessage } from '../../src/protocol/bgp/decode-message.ts';
import { encodeMessage } from '../../src/protocol/bgp/encode-message.ts';
import { createFramer } from '../../src/protocol/bgp/framer.ts';
import type { BgpMessage, OpenMessage, UpdateMessage } from '../../src/protocol/bgp/message.ts';
import { captureBgp, type Stream } from './bgp-capture.ts';

/**
 * What BIRD, FRR and GoBGP say to each other, captured on the switch between them, goes through the codec:
 * nothing is lost, and nothing is taken for a fault. BIRD and GoBGP are of one AS, FRR's has four octets.
 */
const ASN: Readonly<Record<RouterKind, number>> = { bird: 64500, frr: 4_200_000_001, gobgp: 64500 };

const EXTRA: Readonly<Record<RouterKind, string>> = {
  bird: `protocol static { ipv4; route 10.11.0.0/16 blackhole {
    bgp_med = 7; bgp_community.add((64500, 1)); bgp_community.add((65535, 65281));
    bgp_large_community.add((64500, 1, 2)); bgp_large_community.add((4200000000, 3, 4));
    bgp_ext_community.add((rt, 64500, 7)); bgp_ext_community.add((ro, 192.0.2.1, 9));
    bgp_path.prepend(4200000099); }; }`,
  frr: `ip prefix-list tagged permit 10.21.0.0/16
route-map out permit 10
match ip address prefix-list tagged
set community 64501:5 no-advertise
set large-community 1:2:3
set extcommunity rt 64501:8
set metric 33
set as-path prepend 4200000001 65001
exit
route-map out permit 20
exit
router bgp 4200000001
address-family ipv4 unicast
network 10.21.0.0/16
network 10.22.1.0/24
network 10.22.2.0/24
aggregate-address 10.22.0.0/16 as-set
neighbor 10.0.0.1 route-map out out
neighbor 10.0.0.3 route-map out out
exit-address-family
exit`,
  gobgp: '{}',
};

test('the codec keeps all that BIRD, FRR and GoBGP say to each other', async (t) => {
  const lab = createLab();
  t.teardown(lab.remove);
  const lan = buildLan(lab, ROUTER_KINDS);
  const captured = await captureBgp(lab, lan.bridge);
  await converse(lab, lan);
  const streams = await captured();
  const seen = new Set<string>();
  for (const stream of streams) {
    const { opens, messages } = messagesOf(stream, streams);
    const context = contextOf(opens);
    for (const { bytes, message } of messages) {
      const again = encodeMessage(message, context);
      const where = `${stream.from} to ${stream.to}: ${Buffer.from(bytes).toString('hex')}`;
      t.deepEqual(canonical(again), canonical(bytes), where);
      t.deepEqual(decodeMessage(again, context).value, message, where);
      if (message.kind === 'update') t.deepEqual(message.faults, [], where);
      for (const feature of featuresOf(message)) seen.add(feature);
    }
  }
  t.log([...seen].sort().join(', '));
  for (const feature of EXPECTED) t.true(seen.has(feature), `${feature} was not captured`);
});

const EXPECTED: readonly string[] = [
  ...['open', 'update', 'keepalive', 'notification', 'routeRefresh request'],
  ...['multiprotocol', 'routeRefresh', 'enhancedRouteRefresh', 'extendedMessage'],
  ...['extendedNextHop', 'gracefulRestart', 'fourOctetAs', 'unknown'].map((it) => `can ${it}`),
  ...['IPv4', 'IPv6', 'withdrawn IPv4', 'withdrawn IPv6', 'End-of-RIB IPv4', 'End-of-RIB IPv6'],
  ...['communities', 'largeCommunities', 'extendedCommunities', 'med', 'localPref', 'aggregator'],
].map((feature) =>
  /^(multiprotocol|routeRefresh|enhanced\w+|extendedMessage)$/.test(feature)
    ? `can ${feature}`
    : feature,
);

/** Everything that peers say in a life: they open, announce, refresh, withdraw, and end with a word. */
async function converse(lab: Lab, lan: Lan): Promise<void> {
  const optionsOf = (kind: RouterKind, announce: readonly string[]): RouterOptions => ({
    asn: ASN[kind],
    routerId: lan.addresses(kind)[0],
    neighbours: ROUTER_KINDS.filter((other) => other !== kind).map((other) => {
      return { address: lan.addresses(other)[0], asn: ASN[other], extendedNextHop: true };
    }),
    announce,
    extra: EXTRA[kind],
  });
  const first = (kind: RouterKind) => 1 + ROUTER_KINDS.indexOf(kind);
  const own = (kind: RouterKind) => [`10.${first(kind)}.0.0/24`, `fd0${first(kind)}::/64`];
  const [bird, frr, gobgp] = (await Promise.all(
    ROUTER_KINDS.map((kind) => startRouter(kind, lab, lan.host(kind), optionsOf(kind, own(kind)))),
  )) as [Router, Router, Router];
  const has = (router: Router, prefix: string) => async () =>
    (await router.routes()).some((route) => route.prefix === prefix);
  for (const router of [bird, frr]) await until(has(router, 'fd03::/64'));
  for (const router of [bird, gobgp]) await until(has(router, '10.21.0.0/16'));
  for (const router of [frr, gobgp]) await until(has(router, '10.11.0.0/16'));
  await gobgp.ask('global rib add 10.31.0.0/16 -a ipv4 community 64500:1,no-export med 5');
  await until(has(bird, '10.31.0.0/16'));
  await bird.refresh(lan.addresses('frr')[0]);
  await frr.refresh(lan.addresses('bird')[0]);
  await bird.configure(optionsOf('bird', []));
  await until(async () => !(await has(frr, 'fd01::/64')()));
  await until(async () => !(await has(gobgp, '10.1.0.0/24')()));
  await bird.ask(`disable peer1 "Gone for a walk"`);
  await until(async () => (await frr.sessions()).some((it) => /walk/.test(it.lastError)));
  for (const router of [frr, gobgp]) await router.stop();
}

interface Said {
  readonly bytes: Uint8Array;
  readonly message: BgpMessage;
}

/** What one side said on a connection, and the OPENs of both. */
function messagesOf(
  stream: Stream,
  streams: readonly Stream[],
): { messages: Said[]; opens: OpenMessage[] } {
  const other = streams.find(
    ({ from, to, ports }) => from === stream.to && to === stream.from && ports === stream.ports,
  );
  const opens = [stream, other].flatMap((side) => openOf(side?.bytes ?? new Uint8Array()));
  const context = contextOf(opens);
  const { messages, error } = createFramer().push(stream.bytes, context);
  if (error) throw new Error(`The framer refuses a stream of ${stream.from}: ${error.code}`);
  return {
    opens,
    messages: messages.map((bytes) => {
      const { value, error: refusal } = decodeMessage(bytes, context);
      if (value === undefined)
        throw new Error(
          `Refused: ${refusal?.code}/${refusal?.subcode} ${Buffer.from(bytes).toString('hex')}`,
        );
      return { bytes, message: value };
    }),
  };
}

function openOf(bytes: Uint8Array): OpenMessage[] {
  const [first] = createFramer().push(bytes, INITIAL_CONTEXT).messages;
  const message = first && decodeMessage(first, INITIAL_CONTEXT).value;
  return message?.kind === 'open' ? [message] : [];
}

/** What two OPENs agree on. */
function contextOf([own, peer]: readonly OpenMessage[]): CodecContext {
  if (own === undefined || peer === undefined) return INITIAL_CONTEXT;
  const can = (kind: string) =>
    [own, peer].every(({ capabilities }) => capabilities.some((each) => each.kind === kind));
  const has = (afi: number) =>
    [own, peer].every(({ capabilities }) =>
      capabilities.some((each) => each.kind === 'multiprotocol' && each.afi === afi),
    );
  const families: Family[] = [...(has(1) ? [4 as const] : []), ...(has(2) ? [6 as const] : [])];
  return {
    fourOctetAs: can('fourOctetAs'),
    extendedMessage: can('extendedMessage'),
    extendedNextHop: can('extendedNextHop'),
    internal: own.asn === peer.asn,
    families,
  };
}

/**
 * A message's bytes without what may differ between speakers: the order of an UPDATE's attributes and
 * how long their lengths are written, in which of two places IPv4 prefixes are withdrawn, and into how many
 * parameters an OPEN packs its capabilities.
 */
function canonical(bytes: Uint8Array): string {
  const message = Buffer.from(bytes);
  const type = message.readUInt8(18);
  if (type === 1) return canonicalOpen(message);
  return type === 2 ? canonicalUpdate(message) : message.toString('hex');
}

function canonicalOpen(message: Buffer): string {
  const capabilities: Buffer[] = [];
  for (let at = 29; at < message.length; at += 2 + message.readUInt8(at + 1))
    capabilities.push(message.subarray(at + 2, at + 2 + message.readUInt8(at + 1)));
  return Buffer.concat([message.subarray(18, 28), ...capabilities]).toString('hex');
}

const MP_UNREACH = 15;
const IPV4_UNICAST = '000101';

function canonicalUpdate(message: Buffer): string {
  const from = 21 + message.readUInt16BE(19);
  const end = from + 2 + message.readUInt16BE(from);
  const attributes: string[] = [];
  let withdrawn = message.toString('hex', 21, from);
  for (let at = from + 2; at < end; ) {
    const [flags, code] = [message.readUInt8(at), message.readUInt8(at + 1)];
    const isLong = (flags & 0x10) !== 0;
    const length = isLong ? message.readUInt16BE(at + 2) : message.readUInt8(at + 2);
    const start = at + (isLong ? 4 : 3);
    const value = message.toString('hex', start, start + length);
    if (code === MP_UNREACH && value.startsWith(IPV4_UNICAST))
      withdrawn += value.slice(IPV4_UNICAST.length);
    else attributes.push(`${code} ${flags & 0xe0} ${value}`);
    at = start + length;
  }
  return [withdrawn, message.toString('hex', end), ...attributes.sort()].join('\n');
}

function featuresOf(message: BgpMessage): string[] {
  switch (message.kind) {
    case 'open':
      return ['open', ...message.capabilities.map(({ kind }) => `can ${kind}`)];
    case 'routeRefresh':
      return [`routeRefresh ${message.subtype}`];
    case 'update':
      return ['update', ...updateFeatures(message)];
    default:
      return [message.kind];
  }
}

function updateFeatures({ announced, withdrawn, attributes, endOfRib }: UpdateMessage): string[] {
  const family = ({ base }: { base: bigint }) => (base >> 32n === 0xffffn ? 'IPv4' : 'IPv6');
  const used = Object.entries(attributes ?? {}).filter(([, value]) =>
    Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false,
  );
  return [
    ...announced.map(family),
    ...withdrawn.map((prefix) => `withdrawn ${family(prefix)}`),
    ...(endOfRib === undefined ? [] : [`End-of-RIB IPv${endOfRib}`]),
    ...used.map(([name]) => name),
  ];
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`It did not happen: ${condition}`);
    await sleep(20);
  }
}
