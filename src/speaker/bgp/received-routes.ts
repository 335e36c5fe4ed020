import { type Family, familyOf } from '../../domain/address.ts';
import { formatPrefix, type Prefix } from '../../domain/prefix.ts';
import type { PathAttributes, UpdateMessage } from '../../protocol/bgp/message.ts';

/** Prefixes of a peer that are kept; a load balancer needs none, and a full table is a million. */
export const RECEIVED_PREFIXES_MAX = 10_000;

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

export function createReceivedRoutes(max: number = RECEIVED_PREFIXES_MAX): ReceivedRoutes {
  const routes = new Map<string, ReceivedRoute>();
  /** Not said again yet since the peer began to say everything again. */
  const stale = new Set<string>();
  let truncated = false;

  function keysOf(family: Family): string[] {
    return [...routes].flatMap(([key, { prefix }]) =>
      familyOf(prefix.base) === family ? [key] : [],
    );
  }

  return {
    take({ withdrawn, announced, attributes, faults }) {
      for (const prefix of withdrawn) routes.delete(formatPrefix(prefix));
      for (const prefix of attributes ? announced : []) {
        const key = formatPrefix(prefix);
        if (routes.size >= max && !routes.has(key)) truncated = true;
        else routes.set(key, { prefix, path: attributes as PathAttributes });
        stale.delete(key);
      }
      for (const { approach, family } of faults) {
        if (approach !== 'disableFamily' || family === undefined) continue;
        for (const key of keysOf(family)) routes.delete(key);
      }
    },
    refresh(family, phase) {
      for (const key of keysOf(family)) {
        if (phase === 'begin') stale.add(key);
        else if (stale.delete(key)) routes.delete(key);
      }
    },
    current: () => routes,
    truncated: () => truncated,
    clear() {
      routes.clear();
      stale.clear();
      truncated = false;
    },
  };
}
