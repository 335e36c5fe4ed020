import {
  DROP,
  type FilterInstruction,
  IF_BITS,
  IF_EQUAL,
  IF_EQUAL_X,
  LOAD_BYTE,
  LOAD_HALF,
  LOAD_WORD,
  PACKET_TYPE,
  PASS,
  TO_X,
} from '../../system/classic-bpf.ts';
import { PACKET_OTHERHOST } from '../../system/sockets.ts';

/**
 * What reaches JavaScript. Offsets count from the Ethernet header. Frames for another host (a VLAN that
 * has no interface here) are never ours.
 */
const ARP_OPERATION = 20;
const ARP_SENDER_ADDRESS = 28;
const ARP_TARGET_ADDRESS = 38;

/** ARP requests, and replies that nobody asked for (sender and target are the same). */
export const ARP_FILTER: readonly FilterInstruction[] = [
  [LOAD_BYTE, 0, 0, PACKET_TYPE],
  [IF_EQUAL, 8, 0, PACKET_OTHERHOST],
  [LOAD_HALF, 0, 0, ARP_OPERATION],
  [IF_EQUAL, 5, 0, 1],
  [IF_EQUAL, 0, 5, 2],
  [LOAD_WORD, 0, 0, ARP_SENDER_ADDRESS],
  [TO_X, 0, 0, 0],
  [LOAD_WORD, 0, 0, ARP_TARGET_ADDRESS],
  [IF_EQUAL_X, 0, 1, 0],
  PASS,
  DROP,
];

const IPV6_NEXT_HEADER = 20;
const ICMPV6_TYPE = 54;
const ADVERTISEMENT_FLAGS = 58;
const SOLICITED_FLAG = 0x40;

/** Neighbour solicitations, and advertisements that nobody asked for. */
export const NDP_FILTER: readonly FilterInstruction[] = [
  [LOAD_BYTE, 0, 0, PACKET_TYPE],
  [IF_EQUAL, 8, 0, PACKET_OTHERHOST],
  [LOAD_BYTE, 0, 0, IPV6_NEXT_HEADER],
  [IF_EQUAL, 0, 6, 58],
  [LOAD_BYTE, 0, 0, ICMPV6_TYPE],
  [IF_EQUAL, 3, 0, 135],
  [IF_EQUAL, 0, 3, 136],
  [LOAD_BYTE, 0, 0, ADVERTISEMENT_FLAGS],
  [IF_BITS, 1, 0, SOLICITED_FLAG],
  PASS,
  DROP,
];
