import { type Address, compareAddresses } from '../../../domain/address.ts';

/** The routers that were heard on one link, and when. */
export interface RouterTable {
  /** Notes that a router spoke. False when there is no room for another. */
  hear(router: Address, nowMs: number): boolean;
  /** Forgets those that were last heard before. */
  forgetBefore(ms: number): void;
  /** Whether somebody has said nothing since, or nobody was ever heard. */
  isSilentSince(ms: number): boolean;
  /** Sorted. */
  routers(): readonly Address[];
}

/** A link with more than one is no use already. */
export const MAX_ROUTERS = 8;

export function createRouterTable(): RouterTable {
  const heardMs = new Map<Address, number>();
  return {
    hear(router, nowMs) {
      if (!heardMs.has(router) && heardMs.size >= MAX_ROUTERS) return false;
      heardMs.set(router, nowMs);
      return true;
    },
    forgetBefore(ms) {
      for (const [router, at] of heardMs) if (at < ms) heardMs.delete(router);
    },
    isSilentSince: (ms) => heardMs.size === 0 || [...heardMs.values()].some((at) => at < ms),
    routers: () => [...heardMs.keys()].sort(compareAddresses),
  };
}
