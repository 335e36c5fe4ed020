import type { BoxVip } from '../../../domain/box.ts';
import type { KeyedMap } from '../../../domain/keyed-map.ts';
import type { Snapshot } from '../../../domain/snapshot.ts';
import type { AnnouncementStatus } from '../../decode/announcement-status.ts';
import { decodeBgpStatus } from '../../decode/bgp-status.ts';
import { decodeL2Status } from '../../decode/l2-status.ts';

/** What tells the two kinds apart by which boxes say that they announce a Service, and where. */
export interface AnnouncementForm {
  readonly kind: 'ServiceL2Status' | 'ServiceBGPStatus';
  readonly plural: string;
  /** Of the objects' names. */
  readonly prefix: string;
  /** MetalLB's word, in events. */
  readonly protocol: string;
  /** Those that the cluster has. */
  readonly of: (snapshot: Snapshot) => KeyedMap<AnnouncementStatus>;
  /** Where an address is announced by this way: interfaces, or peers. */
  readonly places: (vip: BoxVip) => readonly string[];
  /** An object, and the places that its status names. */
  readonly read: (item: unknown) => StatedPlaces | undefined;
  /** The field of the status that names places. */
  readonly write: (places: readonly string[]) => object;
}

export interface StatedPlaces {
  readonly status: AnnouncementStatus;
  readonly places: readonly string[];
}

export const L2_FORM: AnnouncementForm = {
  kind: 'ServiceL2Status',
  plural: 'servicel2statuses',
  prefix: 'l2',
  protocol: 'layer2',
  of: ({ l2Statuses }) => l2Statuses,
  places: ({ interfaces }) => interfaces,
  read(item) {
    const status = decodeL2Status(item).value;
    return status && { status, places: status.interfaces };
  },
  write: (places) => ({ interfaces: places.map((name) => ({ name })) }),
};

export const BGP_FORM: AnnouncementForm = {
  kind: 'ServiceBGPStatus',
  plural: 'servicebgpstatuses',
  prefix: 'bgp',
  protocol: 'bgp',
  of: ({ bgpStatuses }) => bgpStatuses,
  places: ({ peers }) => peers,
  read(item) {
    const status = decodeBgpStatus(item).value;
    return status && { status, places: status.peers };
  },
  write: (peers) => ({ peers }),
};

export const ANNOUNCEMENT_FORMS: readonly AnnouncementForm[] = [L2_FORM, BGP_FORM];
