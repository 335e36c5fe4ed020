import { type Address, addressFromBytes, familyOf } from '../../domain/address.ts';

/** `AF_INET` and `AF_INET6` of `linux/socket.h`. */
export const AF_INET = 2;
export const AF_INET6 = 10;

export function socketFamilyOf(address: Address): number {
  return familyOf(address) === 4 ? AF_INET : AF_INET6;
}

/** The address, when there are as many bytes as the socket family's addresses have. */
export function readAddress(family: number, bytes: Uint8Array | undefined): Address | undefined {
  const expected = family === AF_INET ? 4 : family === AF_INET6 ? 16 : -1;
  return bytes?.length === expected ? addressFromBytes(bytes) : undefined;
}
