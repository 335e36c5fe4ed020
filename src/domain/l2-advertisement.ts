import type { ObjectMeta } from './object.ts';
import type { LabelSelector } from './selector.ts';

/** `L2Advertisement` of metallb.io/v1beta1. Empty lists do not restrict. */
export interface L2Advertisement extends ObjectMeta {
  /** Names of pools; with `poolSelectors` a pool must match one of either. */
  readonly pools: readonly string[];
  readonly poolSelectors: readonly LabelSelector[];
  /** One of them must match the labels of the box (EdgeNode or Node). */
  readonly nodeSelectors: readonly LabelSelector[];
  /** Names of interfaces as written there. */
  readonly interfaces: readonly string[];
  readonly serviceSelectors: readonly LabelSelector[];
  /** Weights of all advertisements that match are summed. */
  readonly preferredNodeSelectors: readonly WeightedSelector[];
}

export interface WeightedSelector {
  /** 1 to 100. */
  readonly weight: number;
  readonly preference: LabelSelector;
}
