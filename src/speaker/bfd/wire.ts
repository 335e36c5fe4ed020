import {
  interfaceIndex,
  openUdpReceiver,
  openUdpSender,
  type UdpOptions,
} from '../../system/udp.ts';

/** The sockets that sessions use; tests put a network of their own here. */
export interface Wire {
  readonly openReceiver: typeof openUdpReceiver;
  readonly openSender: typeof openUdpSender;
  readonly interfaceIndex: typeof interfaceIndex;
}

export const kernelWire: Wire = {
  openReceiver: openUdpReceiver,
  openSender: openUdpSender,
  interfaceIndex,
};

/** Destination ports of Control packets (RFC 5881 §4, RFC 5883 §5). */
export const SINGLE_HOP_PORT = 3784;
export const MULTIHOP_PORT = 4784;

export function portOf(multihop: boolean): number {
  return multihop ? MULTIHOP_PORT : SINGLE_HOP_PORT;
}

/** Sent with TTL 255 (RFC 5881 §5) and DSCP CS6, as other control protocols. */
export const MARKS: Pick<UdpOptions, 'ttl' | 'trafficClass'> = { ttl: 255, trafficClass: 0xc0 };
