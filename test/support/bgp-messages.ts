import fc from 'fast-check';
import { type Address, addressFromBigInt, type Family, ipv4 } from '../../src/domain/address.ts';
import { formatPrefix, type Prefix, parsePrefix } from '../../src/domain/prefix.ts';
import {
  type AsPathSegment,
  BARE_PATH,
  type Capability,
  type MpNextHop,
  type OpenMessage,
  type PathAttributes,
} from '../../src/protocol/bgp/message.ts';

/** Parts of BGP messages, whatever they may be, for property tests. */
const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const asn = fc.integer({ min: 1, max: 0xffff_ffff });

/** 2001:db8::/32, so that none of them is an IPv4 address in disguise. */
const GLOBAL = 0x2001_0db8n << 96n;
const LINK_LOCAL = 0xfe80n << 112n;

const ipv4Host: fc.Arbitrary<Address> = fc
  .integer({ min: 0x0100_0000, max: 0x7eff_ffff })
  .map(ipv4);
const ipv6Host: fc.Arbitrary<Address> = fc
  .bigInt({ min: 0n, max: (1n << 96n) - 1n })
  .map((low) => addressFromBigInt(GLOBAL | low));

export function prefixOf(family: Family): fc.Arbitrary<Prefix> {
  const host = family === 4 ? ipv4Host : ipv6Host;
  return fc
    .tuple(host, fc.integer({ min: 0, max: family === 4 ? 32 : 128 }))
    .map(([base, length]) => parsePrefix(formatPrefix({ base, length })) as Prefix);
}

const capability: fc.Arbitrary<Capability> = fc.oneof(
  fc.record({ kind: fc.constant('multiprotocol' as const), afi: u16, safi: u8 }),
  fc.constantFrom<Capability>(
    { kind: 'routeRefresh' },
    { kind: 'enhancedRouteRefresh' },
    { kind: 'extendedMessage' },
  ),
  fc.record({
    kind: fc.constant('extendedNextHop' as const),
    entries: fc.array(fc.record({ afi: u16, safi: u16, nextHopAfi: u16 }), { maxLength: 4 }),
  }),
  fc.record({
    kind: fc.constant('gracefulRestart' as const),
    restarting: fc.boolean(),
    notification: fc.boolean(),
    restartTimeSec: fc.integer({ min: 0, max: 4095 }),
    families: fc.array(fc.record({ afi: u16, safi: u8, forwarding: fc.boolean() }), {
      maxLength: 4,
    }),
  }),
  fc.record({
    kind: fc.constant('unknown' as const),
    code: fc.integer({ min: 128, max: 255 }),
    bytes: fc.uint8Array({ maxLength: 60 }),
  }),
);

/** With the 4-octet AS capability, or a number that does without. */
export const openMessage: fc.Arbitrary<OpenMessage> = fc
  .record({
    asn,
    holdTimeSec: fc.oneof(fc.constant(0), fc.integer({ min: 3, max: 0xffff })),
    routerId: fc.integer({ min: 1, max: 0xffff_ffff }),
    capabilities: fc.array(capability, { maxLength: 12 }),
  })
  .map(({ capabilities, ...fields }) => ({
    kind: 'open',
    version: 4,
    ...fields,
    capabilities:
      fields.asn > 0xffff
        ? [...capabilities, { kind: 'fourOctetAs', asn: fields.asn }]
        : capabilities,
  }));

const segment: fc.Arbitrary<AsPathSegment> = fc.record({
  kind: fc.constantFrom('set' as const, 'sequence' as const),
  asns: fc.array(asn, { minLength: 1, maxLength: 8 }),
});

const mpNextHop: fc.Arbitrary<MpNextHop> = fc.record({
  global: ipv6Host,
  linkLocal: fc.option(
    fc.bigInt({ min: 1n, max: 0xffff_ffffn }).map((low) => addressFromBigInt(LINK_LOCAL | low)),
    { nil: undefined },
  ),
});

function maybe<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined });
}

/** All that a path between routers of one AS can say; next hops of both families. */
export const path: fc.Arbitrary<PathAttributes> = fc.record({
  origin: fc.constantFrom('igp' as const, 'egp' as const, 'incomplete' as const),
  asPath: fc.array(segment, { maxLength: 4 }),
  nextHop: ipv4Host,
  mpNextHop,
  med: maybe(u32),
  localPref: maybe(u32),
  atomicAggregate: fc.boolean(),
  aggregator: maybe(fc.record({ asn, address: ipv4Host })),
  communities: fc.array(u32, { maxLength: 80 }),
  extendedCommunities: fc.array(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), { maxLength: 4 }),
  largeCommunities: fc.uniqueArray(fc.record({ global: u32, local1: u32, local2: u32 }), {
    maxLength: 4,
    selector: (large) => Object.values(large).join(':'),
  }),
  originatorId: maybe(u32),
  clusterList: fc.array(u32, { maxLength: 4 }),
  unknown: fc
    .uniqueArray(
      fc.record({
        code: fc.integer({ min: 40, max: 255 }),
        transitive: fc.boolean(),
        partial: fc.boolean(),
        bytes: fc.uint8Array({ maxLength: 300 }),
      }),
      { maxLength: 3, selector: ({ code }) => code },
    )
    .map((unknown) => unknown.sort((a, b) => a.code - b.code)),
});

/** A path of this side's own. */
export function ownPath(fields: Partial<PathAttributes>): PathAttributes {
  return { ...BARE_PATH, ...fields };
}
