import type { FilterInstruction } from '../system/sockets.ts';

/**
 * What the kernel lets through to JavaScript, as classic BPF. Offsets count from the Ethernet header;
 * a load beyond the end of a frame drops it. Frames for another host (a VLAN that has no interface
 * here) are never ours.
 */
const LOAD_BYTE = 0x30;
const LOAD_HALF = 0x28;
const LOAD_WORD = 0x20;
const TO_X = 0x07;
const IF_EQUAL = 0x15;
const IF_EQUAL_X = 0x1d;
const IF_BITS = 0x45;
const RETURN = 0x06;

/** `SKF_AD_OFF + SKF_AD_PKTTYPE` of `linux/filter.h`. */
const PACKET_TYPE = 0xffff_f004;
const OTHER_HOST = 3;
const WHOLE_FRAME = 0x4_0000;

const ARP_OPERATION = 20;
const ARP_SENDER_ADDRESS = 28;
const ARP_TARGET_ADDRESS = 38;

/** ARP requests, and replies that nobody asked for (sender and target are the same). */
export const ARP_FILTER: readonly FilterInstruction[] = [
  [LOAD_BYTE, 0, 0, PACKET_TYPE],
  [IF_EQUAL, 8, 0, OTHER_HOST],
  [LOAD_HALF, 0, 0, ARP_OPERATION],
  [IF_EQUAL, 5, 0, 1],
  [IF_EQUAL, 0, 5, 2],
  [LOAD_WORD, 0, 0, ARP_SENDER_ADDRESS],
  [TO_X, 0, 0, 0],
  [LOAD_WORD, 0, 0, ARP_TARGET_ADDRESS],
  [IF_EQUAL_X, 0, 1, 0],
  [RETURN, 0, 0, WHOLE_FRAME],
  [RETURN, 0, 0, 0],
];

const IPV6_NEXT_HEADER = 20;
const ICMPV6_TYPE = 54;
const ADVERTISEMENT_FLAGS = 58;
const SOLICITED_FLAG = 0x40;

/** Neighbour solicitations, and advertisements that nobody asked for. */
export const NDP_FILTER: readonly FilterInstruction[] = [
  [LOAD_BYTE, 0, 0, PACKET_TYPE],
  [IF_EQUAL, 8, 0, OTHER_HOST],
  [LOAD_BYTE, 0, 0, IPV6_NEXT_HEADER],
  [IF_EQUAL, 0, 6, 58],
  [LOAD_BYTE, 0, 0, ICMPV6_TYPE],
  [IF_EQUAL, 3, 0, 135],
  [IF_EQUAL, 0, 3, 136],
  [LOAD_BYTE, 0, 0, ADVERTISEMENT_FLAGS],
  [IF_BITS, 1, 0, SOLICITED_FLAG],
  [RETURN, 0, 0, WHOLE_FRAME],
  [RETURN, 0, 0, 0],
];

/** Router solicitations and advertisements. */
export const ROUTER_FILTER: readonly FilterInstruction[] = [
  [LOAD_BYTE, 0, 0, PACKET_TYPE],
  [IF_EQUAL, 6, 0, OTHER_HOST],
  [LOAD_BYTE, 0, 0, IPV6_NEXT_HEADER],
  [IF_EQUAL, 0, 4, 58],
  [LOAD_BYTE, 0, 0, ICMPV6_TYPE],
  [IF_EQUAL, 1, 0, 133],
  [IF_EQUAL, 0, 1, 134],
  [RETURN, 0, 0, WHOLE_FRAME],
  [RETURN, 0, 0, 0],
];
