import type { Address } from '../../src/domain/address.ts';
import type { Mac } from '../../src/domain/mac.ts';
import type { NextHop, NextHops } from '../../src/forwarder/next-hop.ts';
import { address } from './objects.ts';

/** Next hops as the test says them; everything is reachable by default. */
export interface FakeNextHops extends NextHops {
  readonly hops: Map<Address, NextHop>;
  readonly followed: Set<Address>;
}

export const SOURCE = address('10.0.0.1');

export function resolvedHop(
  mac = 0x02_00_00_00_00_01,
  sources: readonly Address[] = [SOURCE],
): NextHop & { readonly state: 'resolved' } {
  return {
    state: 'resolved',
    ifindex: 7,
    vlans: [],
    destinationMac: mac as Mac,
    sourceMac: 0x02_00_00_00_00_ff as Mac,
    sources,
    mtu: 1500,
  };
}

export function fakeNextHops(): FakeNextHops {
  const hops = new Map<Address, NextHop>();
  const followed = new Set<Address>();
  return {
    hops,
    followed,
    follow: (each) => void followed.add(each),
    unfollow: (each) => void followed.delete(each),
    get: (each) => hops.get(each) ?? resolvedHop(),
  };
}
