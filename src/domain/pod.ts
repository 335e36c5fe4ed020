import type { ObjectMeta } from './object.ts';

/**
 * A Pod. A deleting one drains at once, which its EndpointSlice says a little later; and it tells the
 * node of endpoints whose slice names none. Of its labels only `WEIGHT_LABEL` is kept.
 */
export interface Pod extends ObjectMeta {
  readonly nodeName: string | undefined;
  /** `WEIGHT_LABEL`; `undefined` when it has none that can be read. */
  readonly weight: number | undefined;
}
