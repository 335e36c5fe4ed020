import { type Address, addressToWire } from '../../domain/address.ts';
import { type Mac, macFromBytes, macToBytes } from '../../domain/mac.ts';
import { readAddress, socketFamilyOf } from './ip-bytes.ts';
import { decodeAttributes, encodeBody, viewOf } from './message.ts';

/** An entry of the kernel's ARP or neighbour discovery table (`linux/neighbour.h`). */
export interface Neighbour {
  readonly ifindex: number;
  readonly address: Address;
  /** Known and usable now. */
  readonly mac: Mac | undefined;
  /**
   * `fixed`: by the administrator, or without a protocol that could ask; `fresh`: confirmed;
   * `stale`: usable, but not confirmed lately; `probing`: being confirmed; `resolving`: asked for
   * the first time; `failed`: nobody answered.
   */
  readonly state: 'fixed' | 'fresh' | 'stale' | 'probing' | 'resolving' | 'failed';
}

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;

const NEIGHBOUR_BYTES = 12;
const NDA_DST = 1;
const NDA_LLADDR = 2;
/** Not the ARP table's: bridge forwarding entries arrive by the same messages. */
const AF_BRIDGE = 7;
const NTF_USE = 0x01;
const NUD_INCOMPLETE = 0x01;
const NUD_REACHABLE = 0x02;
const NUD_STALE = 0x04;
const NUD_DELAY = 0x08;
const NUD_PROBE = 0x10;
const NUD_FAILED = 0x20;
const NUD_NOARP = 0x40;
const NUD_PERMANENT = 0x80;

export function encodeNeighbourDump(): Uint8Array {
  return new Uint8Array(NEIGHBOUR_BYTES);
}

/**
 * The body of an `RTM_NEWNEIGH` that uses the entry, as a packet to it would: makes it when it is
 * not there, and has the kernel resolve or confirm it. Not for `fixed` ones: Linux would unfix
 * them.
 */
export function encodeNeighbourUse(ifindex: number, address: Address): Uint8Array {
  const fixed = new Uint8Array(NEIGHBOUR_BYTES);
  fixed[0] = socketFamilyOf(address);
  viewOf(fixed).setInt32(4, ifindex, true);
  fixed[10] = NTF_USE;
  return encodeBody(fixed, [[NDA_DST, addressToWire(address)]]);
}

/**
 * The body of an `RTM_NEWNEIGH` that says where it is, as if it had answered the kernel; or, without
 * a MAC address, that it did not answer.
 */
export function encodeNeighbour(
  ifindex: number,
  address: Address,
  mac: Mac | undefined,
): Uint8Array {
  const fixed = new Uint8Array(NEIGHBOUR_BYTES);
  fixed[0] = socketFamilyOf(address);
  viewOf(fixed).setInt32(4, ifindex, true);
  viewOf(fixed).setUint16(8, mac === undefined ? NUD_FAILED : NUD_REACHABLE, true);
  const destination = [NDA_DST, addressToWire(address)] as const;
  if (mac === undefined) return encodeBody(fixed, [destination]);
  return encodeBody(fixed, [destination, [NDA_LLADDR, macToBytes(mac)]]);
}

/**
 * Reads the body of `RTM_NEWNEIGH` or `RTM_DELNEIGH`; `undefined` when it is not about an IP
 * address.
 */
export function decodeNeighbour(body: Uint8Array): Neighbour | undefined {
  if (body.length < NEIGHBOUR_BYTES || body[0] === AF_BRIDGE) return undefined;
  const view = viewOf(body);
  const attributes = decodeAttributes(body, NEIGHBOUR_BYTES);
  const address = readAddress(body[0] as number, attributes.get(NDA_DST));
  if (address === undefined) return undefined;
  const state = stateOf(view.getUint16(8, true));
  const bytes = attributes.get(NDA_LLADDR);
  const usable = state !== 'resolving' && state !== 'failed' && bytes?.length === 6;
  const mac = usable ? macFromBytes(bytes) : undefined;
  return { ifindex: view.getInt32(4, true), address, mac, state };
}

function stateOf(bits: number): Neighbour['state'] {
  if (bits & (NUD_PERMANENT | NUD_NOARP)) return 'fixed';
  if (bits & NUD_FAILED) return 'failed';
  if (bits & NUD_STALE) return 'stale';
  if (bits & (NUD_DELAY | NUD_PROBE)) return 'probing';
  return bits === 0 || bits & NUD_INCOMPLETE ? 'resolving' : 'fresh';
}
