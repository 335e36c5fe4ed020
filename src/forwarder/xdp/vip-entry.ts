import type { VirtualServer } from '../../domain/forwarding.ts';
import type { VipEntry } from './abi.ts';
import { affinityGroupOf } from './identity.ts';
import type { RingRegion } from './ring-space.ts';
import type { Schedulers } from './schedulers.ts';

/** Where a server's parts stand in the other maps. */
export interface ServerPlaces {
  readonly index: number;
  /** `undefined`: nobody takes new flows. */
  readonly region: RingRegion | undefined;
  readonly acl: number;
}

const NO_REGION: RingRegion = { chunk: 0, offset: 0, size: 0 };

/** What packets to the server meet first. */
export function vipEntryOf(
  server: VirtualServer,
  { index, region = NO_REGION, acl }: ServerPlaces,
  schedulers: Schedulers,
): VipEntry {
  const { affinityTimeoutSec, affinityGroup } = server;
  return {
    server: index,
    flags: schedulers.vipFlagsOf(server),
    scheduler: schedulers.numberOf(server),
    ringChunk: region.chunk,
    ringOffset: region.offset,
    ringSize: server.ring.length,
    affinitySec: affinityTimeoutSec,
    affinityGroup: affinityTimeoutSec > 0 ? affinityGroupOf(affinityGroup) : 0n,
    acl,
    newFlowsPerSec: server.newFlowsPerSec,
    clientNewFlowsPerSec: server.clientNewFlowsPerSec,
  };
}

export function isSameVip(a: VipEntry, b: VipEntry): boolean {
  return (Object.keys(a) as (keyof VipEntry)[]).every((field) => a[field] === b[field]);
}
