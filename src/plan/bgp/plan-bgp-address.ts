import {
  type Address,
  type Family,
  familyOf,
  isUnusableAsVip,
  parseAddress,
} from '../../domain/address.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import { nameOf, type ObjectKey } from '../../domain/object.ts';
import type { VipServing } from '../../domain/observed.ts';
import { formatPrefix, type Prefix, prefixAround } from '../../domain/prefix.ts';
import { forwarderReason, liveHolders } from '../announcing/holders.ts';
import type { WithholdReason } from '../announcing/reasons.ts';
import { sameList } from '../announcing/same-list.ts';
import type { BgpField } from './bgp-field.ts';
import type { Offer, OfferedPath } from './bgp-rules.ts';
import type { ByPeer } from './intern.ts';
import type { PlannedBgpVip } from './planned-bgp-vip.ts';

/** An address, with what it contributes to routes. */
export interface AddressPlan {
  readonly vip: PlannedBgpVip;
  /** No two are the same. */
  readonly paths: readonly Path[];
}

export interface Path {
  /** Of the prefix. */
  readonly text: string;
  readonly prefix: Prefix;
  readonly byPeer: ByPeer;
}

export function planBgpAddress(
  text: string,
  services: readonly ObjectKey[] | undefined,
  serving: KeyedMap<VipServing>,
  field: BgpField,
): AddressPlan | undefined {
  const address = parseAddress(text);
  if (!services || address === undefined) return undefined;
  const withhold = (reason: WithholdReason, advertisements: readonly ObjectKey[] = []) => {
    const vip = { address, services, announce: false, reason, advertisements };
    return { vip: { ...vip, prefixes: [], peers: [] }, paths: [] };
  };
  if (isUnusableAsVip(address)) return withhold('invalidIP');
  const offers = offersFor(address, familyOf(address), services, field);
  if (offers.length === 0) return withhold('serviceDeleted');
  const advertisements = [...new Set(offers.flatMap((offer) => offer.advertisements))].sort();
  const usable = offers.filter(({ reason }) => reason === '');
  const reason =
    (usable.length === 0 && reasonOf(offers)) ||
    field.boxes.self.nodeObstacle ||
    forwarderReason(text, serving);
  if (reason) return withhold(reason, advertisements);
  const paths = pathsOf(address, text, usable);
  const vip = {
    address,
    services,
    announce: true,
    reason: '',
    prefixes: [...new Set(paths.map((path) => path.text))].sort(),
    advertisements,
    peers: [...new Set(paths.flatMap(({ byPeer }) => [...byPeer.keys()]).map(nameOf))].sort(),
  };
  return { vip, paths };
}

/**
 * Each Service that holds the address is judged by itself, as in MetalLB: what one of them may not, another
 * may. Other than with ARP, Services that share an address may be chosen by `serviceSelectors`.
 */
function offersFor(
  address: Address,
  family: Family,
  services: readonly ObjectKey[],
  { rules, snapshot }: BgpField,
): Offer[] {
  return liveHolders(services, snapshot).map(({ key, labels }) =>
    rules.offerFor(address, family, snapshot.statuses.get(key)?.pool ?? '', labels),
  );
}

/** Of several that are not announced the first that says more than that nothing is for it. */
function reasonOf(offers: readonly Offer[]): WithholdReason {
  const reasons = offers.map(({ reason }) => reason);
  return reasons.find((reason) => reason !== 'noMatchingAdvertisement') ?? reasons[0] ?? '';
}

function pathsOf(address: Address, text: string, offers: readonly Offer[]): readonly Path[] {
  const [first, ...others] = offers;
  const paths = new Set<OfferedPath>(first?.paths);
  for (const offer of others) for (const path of offer.paths) paths.add(path);
  return [...paths].map(({ length, byPeer }) => {
    const prefix = prefixAround(address, length);
    const whole = prefix.base === address;
    return { text: whole ? `${text}/${length}` : formatPrefix(prefix), prefix, byPeer };
  });
}

export function sameVip(a: PlannedBgpVip, b: PlannedBgpVip): boolean {
  return (
    a.reason === b.reason &&
    sameList(a.services, b.services) &&
    sameList(a.prefixes, b.prefixes) &&
    sameList(a.advertisements, b.advertisements) &&
    sameList(a.peers, b.peers)
  );
}

export function samePaths(a: readonly Path[], b: readonly Path[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ text, byPeer }, index) => text === b[index]?.text && byPeer === b[index].byPeer)
  );
}
