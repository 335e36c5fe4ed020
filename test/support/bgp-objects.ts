import type { BfdProfile } from '../../src/domain/bgp/bfd-profile.ts';
import type { BgpAdvertisement } from '../../src/domain/bgp/bgp-advertisement.ts';
import { parseCommunity } from '../../src/domain/bgp/bgp-community.ts';
import type { BgpPeer } from '../../src/domain/bgp/bgp-peer.ts';
import type { RouteAttributes } from '../../src/domain/bgp/bgp-route.ts';
import type { CommunityNames } from '../../src/domain/bgp/community-names.ts';
import type { ObjectMeta } from '../../src/domain/object.ts';
import type { Secret } from '../../src/domain/secret.ts';
import { address, objectMeta } from './objects.ts';

/** Domain objects of BGP with sensible defaults, for tests, all in the namespace `metallb-system`. */
function meta(name: string): ObjectMeta {
  return objectMeta('metallb-system', name);
}

/** A router of another AS at an address. */
export function bgpPeer(name: string, at: string, fields: Partial<BgpPeer> = {}): BgpPeer {
  return {
    ...meta(name),
    myAsn: 64500,
    localAsn: undefined,
    peerAsn: 64501,
    remote: { kind: 'address', address: address(at) },
    sourceAddress: undefined,
    port: 179,
    routerId: undefined,
    holdTimeMs: 90_000,
    keepaliveMs: 30_000,
    connectRetryMs: 10_000,
    multihop: false,
    vrf: undefined,
    nodeSelectors: [],
    password: { kind: 'none' },
    bfdProfile: undefined,
    gracefulRestart: false,
    bothFamilies: false,
    passive: false,
    ttlSecurityHops: undefined,
    bfdPasswordSecret: undefined,
    ...fields,
  };
}

/** An advertisement of all pools by all boxes to all peers, each address by itself. */
export function bgpAdvertisement(
  name: string,
  fields: Partial<BgpAdvertisement> = {},
): BgpAdvertisement {
  return {
    ...meta(name),
    pools: [],
    poolSelectors: [],
    nodeSelectors: [],
    serviceSelectors: [],
    peers: [],
    aggregationLength: 32,
    aggregationLengthV6: 128,
    localPref: undefined,
    communities: [],
    extendedCommunities: [],
    med: undefined,
    prepend: 0,
    nextHops: [],
    ...fields,
  };
}

/** A route without anything that an advertisement can say. */
export const PLAIN: RouteAttributes = {
  communities: [],
  largeCommunities: [],
  extendedCommunities: [],
  localPref: undefined,
  med: undefined,
  prepend: 0,
  nextHop: undefined,
};

export function bfdProfile(name: string, fields: Partial<BfdProfile> = {}): BfdProfile {
  return {
    ...meta(name),
    receiveIntervalMs: 300,
    transmitIntervalMs: 300,
    detectMultiplier: 3,
    echoMode: false,
    passive: false,
    minimumTtl: 254,
    ...fields,
  };
}

/** Communities by name, as written. */
export function communityNames(
  name: string,
  communities: Readonly<Record<string, string>>,
  fields: Partial<CommunityNames> = {},
): CommunityNames {
  const parsed = Object.entries(communities).map(([alias, text]) => {
    const community = parseCommunity(text);
    if (!community) throw new Error(`"${text}" is not a community`);
    return [alias, community] as const;
  });
  return { ...meta(name), communities: new Map(parsed), ...fields };
}

/** Of type kubernetes.io/basic-auth, with a password if one is given. */
export function passwordSecret(
  name: string,
  password: string | undefined,
  fields: Partial<Secret> = {},
): Secret {
  const value = password === undefined ? undefined : new TextEncoder().encode(password);
  return {
    ...meta(name),
    type: 'kubernetes.io/basic-auth',
    keys: value ? ['password'] : [],
    value: (key) => (key === 'password' ? value : undefined),
    ...fields,
  };
}
