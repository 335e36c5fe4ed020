import { type Family, familyOf } from '../../../domain/address.ts';
import { formatPrefix, type Prefix } from '../../../domain/prefix.ts';
import type { PathAttributes, UpdateMessage } from '../../../protocol/bgp/message.ts';

/** Prefixes of a peer that are kept; a load balancer needs none, and a full table is a million. */
export const RECEIVED_PREFIXES_MAX = 10_000;
/** Octets of their attributes, about, each prefix by itself: one path can be 64 KiB long. */
export const RECEIVED_OCTETS_MAX = 8 * 1024 * 1024;

export interface ReceivedRoute {
  readonly prefix: Prefix;
  readonly path: PathAttributes;
}

/** What a peer announces: kept to be looked at, and installed nowhere. */
export interface ReceivedRoutes {
  take(update: UpdateMessage): void;
  /** The peer says all of a family again (RFC 7313 §4.2): what it leaves out until `end` is gone. */
  refresh(family: Family, phase: 'begin' | 'end'): void;
  /** By text of the prefix. */
  current(): ReadonlyMap<string, ReceivedRoute>;
  /** The peer announced more than is kept: what is here is not all. */
  truncated(): boolean;
  clear(): void;
}

interface KeptRoute extends ReceivedRoute {
  readonly octets: number;
  /** That of its family when it was last said. */
  readonly round: number;
}

/** What is known of a family as a whole, so that no message costs more than what it is about. */
interface FamilyState {
  routes: number;
  /** Counts how often the peer began to say everything again. */
  round: number;
  refreshing: boolean;
}

export function createReceivedRoutes(
  maxPrefixes: number = RECEIVED_PREFIXES_MAX,
  maxOctets: number = RECEIVED_OCTETS_MAX,
): ReceivedRoutes {
  const routes = new Map<string, KeptRoute>();
  let families = newFamilies();
  let octets = 0;
  let truncated = false;

  function drop(key: string) {
    const route = routes.get(key);
    if (!route) return;
    octets -= route.octets;
    families[familyOf(route.prefix.base)].routes -= 1;
    routes.delete(key);
  }

  /** Drops what of a family was last said before this round. */
  function sweep(family: Family, before: number) {
    if (families[family].routes === 0) return;
    for (const [key, { prefix, round }] of routes)
      if (familyOf(prefix.base) === family && round < before) drop(key);
  }

  function keep(prefix: Prefix, path: PathAttributes, size: number) {
    const key = formatPrefix(prefix);
    drop(key);
    if (routes.size >= maxPrefixes || octets + size > maxOctets) {
      truncated = true;
      return;
    }
    const family = families[familyOf(prefix.base)];
    routes.set(key, { prefix, path, octets: size, round: family.round });
    family.routes += 1;
    octets += size;
  }

  return {
    take({ withdrawn, announced, attributes: path, faults }) {
      for (const prefix of withdrawn) drop(formatPrefix(prefix));
      const size = path ? octetsOf(path) : 0;
      if (path) for (const prefix of announced) keep(prefix, path, size);
      for (const { approach, family } of faults)
        if (approach === 'disableFamily' && family !== undefined)
          sweep(family, Number.POSITIVE_INFINITY);
    },
    refresh(family, phase) {
      const state = families[family];
      if (phase === 'begin') state.round += 1;
      else if (state.refreshing) sweep(family, state.round);
      state.refreshing = phase === 'begin';
    },
    current: () => routes,
    truncated: () => truncated,
    clear() {
      routes.clear();
      families = newFamilies();
      octets = 0;
      truncated = false;
    },
  };
}

function newFamilies(): Readonly<Record<Family, FamilyState>> {
  const fresh = () => ({ routes: 0, round: 0, refreshing: false });
  return { 4: fresh(), 6: fresh() };
}

/** What its lists take on the wire. */
function octetsOf(path: PathAttributes): number {
  const { communities, extendedCommunities, largeCommunities, clusterList } = path;
  return (
    4 * path.asPath.reduce((sum, { asns }) => sum + asns.length, 0) +
    4 * (communities.length + clusterList.length) +
    8 * extendedCommunities.length +
    12 * largeCommunities.length +
    path.unknown.reduce((sum, { bytes }) => sum + bytes.length, 0)
  );
}
