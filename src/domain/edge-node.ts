import type { ObjectKey, ObjectMeta } from './object.ts';

/**
 * A box that runs Tidegate: `EdgeNode` of tidegate.io/v1alpha1, cluster-scoped. Where a cluster's Node
 * is itself such a box, both have the same name, and selectors see the labels of both.
 */
export interface EdgeNode extends ObjectMeta {
  /** `spec.drain`: it is to give its addresses up. */
  readonly drain: boolean;
  /** The box said last that its roles are at work: `status.conditions` Ready is, or was, True. */
  readonly ready: boolean;
  /** Ready is Unknown by the controller's word, since heartbeats stay away. */
  readonly heartbeatLost: boolean;
  /**
   * Its heartbeat Lease is renewed, as far as the reader can tell; what was known last while it has no
   * contact with the API server. Always true where there are no heartbeats (files).
   */
  readonly alive: boolean;
  /** `status.withheld`: addresses that it does not announce, and why; bounded. */
  readonly withheld: readonly WithheldVip[];
}

/** An address that a box does not announce. */
export interface WithheldVip {
  /** Text of the address. */
  readonly address: string;
  readonly service: ObjectKey;
  /** As in `PlannedAnnouncement.reason`. */
  readonly reason: string;
  /** For people; may be empty. */
  readonly message: string;
}
