import type { Address } from './address.ts';
import type { ObjectMeta } from './object.ts';
import type { Prefix } from './prefix.ts';

/** A cluster Node, as far as the edge cares: may it receive NodePort traffic, and where. */
export interface Node extends ObjectMeta {
  /** `InternalIP` addresses, at most one a family is used. */
  readonly internalAddresses: readonly Address[];
  /** `Ready` condition is True. A Node without conditions (hand-written) counts as ready. */
  readonly ready: boolean;
  readonly networkUnavailable: boolean;
  /** Taint keys. */
  readonly taints: readonly string[];
  /** `spec.podCIDRs`: where its Pods' addresses are, at most one a family. */
  readonly podCIDRs: readonly Prefix[];
  /** `WEIGHT_LABEL`; `undefined` when it has none that can be read. */
  readonly weight: number | undefined;
}

/** KEP-1143: nodes with this label take no load balancer traffic. */
export const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';
/** Set by the cluster autoscaler before it removes a node. */
export const AUTOSCALER_TAINT = 'ToBeDeletedByClusterAutoscaler';
/** Where a Node is, or a box by the setting `labels` (well-known label of the API). */
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
