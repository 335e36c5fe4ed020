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
  /** By text of the prefix. */
  current(): ReadonlyMap<string, ReceivedRoute>;
  /** The peer announced more than is kept: what is here is not all. */
  truncated(): boolean;
  clear(): void;
}

export function createReceivedRoutes(max: number = RECEIVED_PREFIXES_MAX): ReceivedRoutes {
  const routes = new Map<string, ReceivedRoute>();
  let truncated = false;

  function drop(family: Family) {
    for (const [key, { prefix }] of routes)
      if (familyOf(prefix.base) === family) routes.delete(key);
  }

  return {
    take({ withdrawn, announced, attributes, faults }) {
      for (const prefix of withdrawn) routes.delete(formatPrefix(prefix));
      for (const prefix of attributes ? announced : []) {
        const key = formatPrefix(prefix);
        if (routes.size >= max && !routes.has(key)) truncated = true;
        else routes.set(key, { prefix, path: attributes as PathAttributes });
      }
      for (const { approach, family } of faults)
        if (approach === 'disableFamily' && family !== undefined) drop(family);
    },
    current: () => routes,
    truncated: () => truncated,
    clear() {
      routes.clear();
      truncated = false;
    },
  };
}
