import type { L2Status } from '../../domain/l2-status.ts';
import { readAnnouncementStatus } from './announcement-status.ts';
import { child, type Decoded, decode, descend, items, type Locate, text } from './field.ts';

const MAX_INTERFACES = 1024;

/** Reads a metallb.io/v1beta1 ServiceL2Status, of ours or of MetalLB's speakers. */
export function decodeL2Status(value: unknown, locate?: Locate): Decoded<L2Status> {
  return decode(value, locate, (root) => ({
    ...readAnnouncementStatus(root, 'ServiceL2Status'),
    interfaces: items(descend(root, 'status', 'interfaces'), MAX_INTERFACES).map((item) =>
      text(child(item, 'name'), ''),
    ),
  }));
}
