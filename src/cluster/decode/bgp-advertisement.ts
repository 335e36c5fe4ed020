import { type Address, familyOf, parseAddress } from '../../domain/address.ts';
import type { BgpAdvertisement } from '../../domain/bgp/bgp-advertisement.ts';
import { type ExtendedCommunity, parseCommunity } from '../../domain/bgp/bgp-community.ts';
import { parseExtendedCommunity } from '../../domain/bgp/extended-community.ts';
import {
  type OwnAnnotation,
  ownAnnotation,
  warnOfUnknownAnnotations,
  wholeNumber,
} from './bgp-annotations.ts';
import {
  child,
  type Decoded,
  decode,
  type Field,
  fail,
  integer,
  type Locate,
  quote,
  section,
} from './field.ts';
import { readMeta } from './meta.ts';
import { readNames } from './names.ts';
import { readSelectors } from './selector.ts';

const MAX_POOLS = 4096;
const MAX_PEERS = 4096;
const MAX_COMMUNITIES = 64;
const MAX_UINT32 = 0xffff_ffff;
const MAX_PREPEND = 16;

const MED = 'tidegate.io/med';
const PREPEND = 'tidegate.io/as-path-prepend';
const NEXT_HOP = 'tidegate.io/next-hop';
const EXTENDED_COMMUNITIES = 'tidegate.io/extended-communities';

/** Reads a metallb.io/v1beta1 BGPAdvertisement; refuses what MetalLB's admission refuses. */
export function decodeBgpAdvertisement(value: unknown, locate?: Locate): Decoded<BgpAdvertisement> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'BGPAdvertisement', namespaced: true, name: 'subdomain' });
    const spec = section(root, 'spec');
    const serviceSelectors = readSelectors(child(spec, 'serviceSelectors'));
    const isRestricted = serviceSelectors.length > 0;
    warnOfUnknownAnnotations(root, [MED, PREPEND, NEXT_HOP, EXTENDED_COMMUNITIES]);
    return {
      ...meta,
      pools: readNames(child(spec, 'ipAddressPools'), MAX_POOLS, 'Pool'),
      poolSelectors: readSelectors(child(spec, 'ipAddressPoolSelectors')),
      nodeSelectors: readSelectors(child(spec, 'nodeSelectors')),
      serviceSelectors,
      peers: readNames(child(spec, 'peers'), MAX_PEERS, 'Peer'),
      aggregationLength: readLength(child(spec, 'aggregationLength'), 32, isRestricted),
      aggregationLengthV6: readLength(child(spec, 'aggregationLengthV6'), 128, isRestricted),
      // MetalLB takes 0 for "not said".
      localPref: integer(child(spec, 'localPref'), 0, MAX_UINT32, 0) || undefined,
      communities: readCommunities(child(spec, 'communities')),
      extendedCommunities: readExtended(ownAnnotation(root, EXTENDED_COMMUNITIES)),
      med: wholeNumber(ownAnnotation(root, MED), 0, MAX_UINT32),
      prepend: wholeNumber(ownAnnotation(root, PREPEND), 0, MAX_PREPEND) ?? 0,
      nextHops: readNextHops(ownAnnotation(root, NEXT_HOP)),
    };
  });
}

/** Services of one prefix may differ, so that who restricts to some cannot announce more than addresses. */
function readLength(field: Field, whole: number, isRestricted: boolean): number {
  const length = integer(field, 1, whole, whole);
  if (isRestricted && length !== whole)
    fail(field, 'serviceSelectors need single addresses', `Leave it out, or write ${whole}`);
  return length;
}

function readCommunities(list: Field): string[] {
  const names = readNames(list, MAX_COMMUNITIES, 'Community');
  for (const name of names) {
    if (!looksLikeNumbers(name) || parseCommunity(name)) continue;
    fail(
      list,
      `${quote(name)} is not a community`,
      'Write two numbers up to 65535 (64500:1), or large: and three up to 4294967295',
    );
  }
  return names;
}

/** Else it is a name that a Community object gives, perhaps later. */
function looksLikeNumbers(name: string): boolean {
  return /^[0-9]+:[^:]*$|^([0-9]+|large):[^:]*:[^:]*:[^:]*$/.test(name);
}

function readExtended(annotation: OwnAnnotation | undefined): ExtendedCommunity[] {
  const read = new Set<ExtendedCommunity>();
  if (annotation === undefined) return [];
  for (const part of partsOf(annotation)) {
    const community = parseExtendedCommunity(part);
    const remedy = 'Write for example rt:64500:1 or soo:192.0.2.1:7, with commas between';
    if (community !== undefined) read.add(community);
    else fail(annotation.field, `${quote(part)} is not an extended community`, remedy);
  }
  if (read.size > MAX_COMMUNITIES)
    fail(
      annotation.field,
      `${read.size} communities, the limit is ${MAX_COMMUNITIES}`,
      'Remove some',
    );
  return [...read];
}

function readNextHops(annotation: OwnAnnotation | undefined): Address[] {
  if (annotation === undefined) return [];
  const { field } = annotation;
  const addresses = partsOf(annotation).flatMap((part) => {
    const address = parseAddress(part);
    if (address !== undefined) return [address];
    fail(field, `${quote(part)} is not an IP address`, 'Write for example 192.0.2.10');
    return [];
  });
  if (new Set(addresses.map(familyOf)).size !== addresses.length)
    fail(
      field,
      'There are two next hops of one family',
      'Write at most one IPv4 and one IPv6 address',
    );
  return addresses;
}

function partsOf({ text }: OwnAnnotation): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
