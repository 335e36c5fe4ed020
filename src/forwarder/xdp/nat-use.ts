import type { Address } from '../../domain/address.ts';
import type { BpfObject, SweepResult } from '../../system/bpf.ts';
import type { DataplaneLayout } from './abi.ts';
import { bpfMap } from './bpf-map.ts';
import { sharedArray } from './shared-array.ts';

/** How full the NAT addresses are: to be seen before new flows are dropped for want of a port. */
export interface NatUse {
  /** Flows by NAT address, those in use. */
  readonly addresses: readonly { readonly address: Address; readonly flows: number }[];
  /** Flows to the backend port that has the most, of all its NAT addresses' ports; 0 to 1. */
  readonly fullest: number;
}

/** By what the last sweep found. A port is free per backend port, so each has a room of its own. */
export function natUse(object: BpfObject, layout: DataplaneLayout, sweep: SweepResult): NatUse {
  const nat = sharedArray(bpfMap(object, 'nat_addresses'), layout.natAddress);
  const backends = sharedArray(bpfMap(object, 'backends'), layout.backend);
  const { natPortFirst, natPortLast } = sharedArray(bpfMap(object, 'config'), layout.config).get(0);
  const ports = natPortLast - natPortFirst + 1;
  const { flowsByNatAddress, flowsByBackend } = sweep;
  const addresses = Array.from({ length: nat.length }, (_, index) => ({
    address: nat.get(index).address,
    flows: flowsByNatAddress[index] ?? 0,
  })).filter(({ address }) => address !== 0n);
  let fullest = 0;
  for (let index = 1; index < flowsByBackend.length; index++) {
    const flows = flowsByBackend[index] ?? 0;
    // Nobody with so few flows can be the fullest: the room is at least one address's ports.
    if (flows / ports <= fullest) continue;
    const { natCount } = backends.get(index);
    fullest = Math.max(fullest, flows / (ports * Math.max(1, natCount)));
  }
  return { addresses, fullest };
}
