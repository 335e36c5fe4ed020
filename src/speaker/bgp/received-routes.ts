import { type Family, familyOf } from '../../domain/address.ts';
import { formatPrefix, type Prefix } from '../../domain/prefix.ts';
import type { PathAttributes, UpdateMessage } from '../../protocol/bgp/message.ts';

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
}

export function createReceivedRoutes(
  maxPrefixes: number = RECEIVED_PREFIXES_MAX,
  maxOctets: number = RECEIVED_OCTETS_MAX,
): ReceivedRoutes {
  const routes = new Map<string, KeptRoute>();
  /** Not said again yet since the peer began to say everything again. */
  const stale = new Set<string>();
  let octets = 0;
  let truncated = false;

  function keysOf(family: Family): string[] {
    return [...routes].flatMap(([key, { prefix }]) =>
      familyOf(prefix.base) === family ? [key] : [],
    );
  }

  function drop(key: string) {
    octets -= routes.get(key)?.octets ?? 0;
    routes.delete(key);
  }

  function keep(key: string, route: KeptRoute) {
    drop(key);
    if (routes.size >= maxPrefixes || octets + route.octets > maxOctets) {
      truncated = true;
      return;
    }
    routes.set(key, route);
    octets += route.octets;
  }

  return {
    take({ withdrawn, announced, attributes: path, faults }) {
      for (const prefix of withdrawn) drop(formatPrefix(prefix));
      const size = path ? octetsOf(path) : 0;
      for (const prefix of path ? announced : []) {
        const key = formatPrefix(prefix);
        keep(key, { prefix, path: path as PathAttributes, octets: size });
        stale.delete(key);
      }
      for (const { approach, family } of faults) {
        if (approach !== 'disableFamily' || family === undefined) continue;
        for (const key of keysOf(family)) drop(key);
      }
    },
    refresh(family, phase) {
      for (const key of keysOf(family)) {
        if (phase === 'begin') stale.add(key);
        else if (stale.delete(key)) drop(key);
      }
    },
    current: () => routes,
    truncated: () => truncated,
    clear() {
      routes.clear();
      stale.clear();
      octets = 0;
      truncated = false;
    },
  };
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
