import type { Address } from '../../domain/address.ts';

/** A host on a link whose MAC address packets are sent to. */
export interface KeptNeighbour {
  readonly ifindex: number;
  readonly address: Address;
}

export function keyOfNeighbour({ ifindex, address }: KeptNeighbour): string {
  return `${ifindex} ${address}`;
}
