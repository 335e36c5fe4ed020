import type { ObjectMeta } from '../object.ts';
import type { Community } from './bgp-community.ts';

/** `Community` of metallb.io/v1beta1: gives communities names for use in BGPAdvertisements. */
export interface CommunityNames extends ObjectMeta {
  readonly communities: ReadonlyMap<string, Community>;
}
