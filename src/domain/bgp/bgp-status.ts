import type { ObjectKey, ObjectMeta } from '../object.ts';

/** `ServiceBGPStatus` of metallb.io/v1beta1: a box says to which peers it announces a Service. */
export interface BgpStatus extends ObjectMeta {
  /** The box: `status.node`. */
  readonly node: string;
  readonly service: ObjectKey;
  /** Names of BGPPeers. */
  readonly peers: readonly string[];
  /** Owned by an EdgeNode: a box of ours wrote it, and not one of MetalLB's speakers. */
  readonly ofBox: boolean;
}
