import type { ObjectKey, ObjectMeta } from './object.ts';

/** `ServiceL2Status` of metallb.io/v1beta1: a box says that it announces a Service by ARP and NDP. */
export interface L2Status extends ObjectMeta {
  /** The box: `status.node`. */
  readonly node: string;
  readonly service: ObjectKey;
  readonly interfaces: readonly string[];
  /** Owned by an EdgeNode: a box of ours wrote it, and not one of MetalLB's speakers. */
  readonly ofBox: boolean;
}
