import type { ObjectMeta } from './object.ts';

/**
 * A Pod. A deleting one drains at once, which its EndpointSlice says a little later; and it tells the
 * node of endpoints whose slice names none.
 */
export interface Pod extends ObjectMeta {
  readonly nodeName: string | undefined;
}
