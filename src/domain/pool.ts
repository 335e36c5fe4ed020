import type { ObjectMeta } from './object.ts';
import type { AddressRange } from './prefix.ts';
import type { LabelSelector } from './selector.ts';

/** `IPAddressPool` of `metallb.io/v1beta1`. */
export interface Pool extends ObjectMeta {
  /** Ranges in the order written; they do not overlap. */
  readonly ranges: readonly AddressRange[];
  /** `spec.addresses[]` as written, for messages. */
  readonly addressTexts: readonly string[];
  readonly autoAssign: boolean;
  readonly avoidBuggyIPs: boolean;
  readonly serviceAllocation: ServiceAllocation | undefined;
}

/** Which Services a pool is for. Empty lists do not restrict. */
export interface ServiceAllocation {
  /** Lower is tried first; 0 (unset) is last. */
  readonly priority: number;
  readonly namespaces: readonly string[];
  readonly namespaceSelectors: readonly LabelSelector[];
  readonly serviceSelectors: readonly LabelSelector[];
}
