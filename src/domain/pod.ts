import type { Address } from './address.ts';
import type { ObjectMeta } from './object.ts';

/** A Pod: a deleting one drains before its EndpointSlice says so; a hostNetwork one has its node's address. */
export interface Pod extends ObjectMeta {
  readonly addresses: readonly Address[];
  readonly hostNetwork: boolean;
  readonly nodeName: string | undefined;
}
