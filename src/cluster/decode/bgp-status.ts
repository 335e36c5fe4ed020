import type { BgpStatus } from '../../domain/bgp/bgp-status.ts';
import { readAnnouncementStatus } from './announcement-status.ts';
import { type Decoded, decode, descend, items, type Locate, text } from './field.ts';

const MAX_PEERS = 1024;

/** Reads a metallb.io/v1beta1 ServiceBGPStatus, of ours or of MetalLB's speakers. */
export function decodeBgpStatus(value: unknown, locate?: Locate): Decoded<BgpStatus> {
  return decode(value, locate, (root) => ({
    ...readAnnouncementStatus(root, 'ServiceBGPStatus'),
    peers: items(descend(root, 'status', 'peers'), MAX_PEERS).map((item) => text(item, '')),
  }));
}
