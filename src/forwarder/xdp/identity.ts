import type { Address } from '../../domain/address.ts';

/** What backends and Services are called in the maps: the same on every box, after every restart. */
const LOW_64 = (1n << 64n) - 1n;
const MIX = 0xd6e8feb86659fd93n;
const OTHER_MIX = 0x9e3779b97f4a7c15n;

/**
 * 32 bits for an endpoint: the salt of its draws in a rendezvous, and what a client's affinity
 * remembers. Two endpoints of one Service meet by chance once in four thousand million pairs, and
 * then only share their draws.
 */
export function endpointOf(address: Address): number {
  const sum = BigInt.asUintN(64, (address >> 64n) * OTHER_MIX + (address & LOW_64) * MIX);
  return Number(finish(sum) >> 32n);
}

/** 64 bits for a Service whose ports share affinity (FNV-1a, finished). */
export function affinityGroupOf(group: string): bigint {
  let sum = 0xcbf29ce484222325n;
  for (let i = 0; i < group.length; i++) {
    sum = BigInt.asUintN(64, (sum ^ BigInt(group.charCodeAt(i))) * 0x100000001b3n);
  }
  return finish(sum);
}

function finish(sum: bigint): bigint {
  const mixed = BigInt.asUintN(64, (sum ^ (sum >> 32n)) * MIX);
  return mixed ^ (mixed >> 32n);
}
