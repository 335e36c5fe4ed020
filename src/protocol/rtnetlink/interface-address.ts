import type { Address } from '../../domain/address.ts';
import { readAddress } from './ip-bytes.ts';
import { decodeAttributes, readU32, viewOf } from './message.ts';

/** An address that an interface of this box holds (`linux/if_addr.h`). */
export interface InterfaceAddress {
  readonly ifindex: number;
  readonly address: Address;
  readonly prefixLength: number;
  /** May be used as a source: not tentative, and no duplicate was seen. */
  readonly isUsable: boolean;
}

export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;

const ADDRESS_BYTES = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;

export function encodeAddressDump(): Uint8Array {
  return new Uint8Array(ADDRESS_BYTES);
}

/** Reads the body of `RTM_NEWADDR` or `RTM_DELADDR`; `undefined` when it has no IP address. */
export function decodeInterfaceAddress(body: Uint8Array): InterfaceAddress | undefined {
  if (body.length < ADDRESS_BYTES) return undefined;
  const attributes = decodeAttributes(body, ADDRESS_BYTES);
  // On a point-to-point link IFA_ADDRESS is the far end.
  const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
  const address = readAddress(body[0] as number, bytes);
  if (address === undefined) return undefined;
  const flags = readU32(attributes.get(IFA_FLAGS)) ?? (body[2] as number);
  return {
    ifindex: viewOf(body).getUint32(4, true),
    address,
    prefixLength: body[1] as number,
    isUsable: (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) === 0,
  };
}
