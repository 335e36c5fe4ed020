import {
  DROP,
  type FilterInstruction,
  IF_EQUAL,
  LOAD_BYTE,
  PACKET_TYPE,
  PASS,
} from '../../../system/classic-bpf.ts';
import { PACKET_OTHERHOST } from '../../../system/sockets.ts';

/** Of a frame. */
const IPV6_NEXT_HEADER = 20;
const ICMPV6_TYPE = 54;

/** Router solicitations and advertisements; none for another host. */
export const ROUTER_FILTER: readonly FilterInstruction[] = [
  [LOAD_BYTE, 0, 0, PACKET_TYPE],
  [IF_EQUAL, 6, 0, PACKET_OTHERHOST],
  [LOAD_BYTE, 0, 0, IPV6_NEXT_HEADER],
  [IF_EQUAL, 0, 4, 58],
  [LOAD_BYTE, 0, 0, ICMPV6_TYPE],
  [IF_EQUAL, 1, 0, 133],
  [IF_EQUAL, 0, 1, 134],
  PASS,
  DROP,
];
