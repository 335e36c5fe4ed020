/** An Ethernet (EUI-48) address as a 48-bit integer. */
export type Mac = number & { readonly __brand: 'Mac' };

export const BROADCAST_MAC = 0xffff_ffff_ffff as Mac;

/** Reads `aa:bb:cc:dd:ee:ff`; anything else is `undefined`. */
export function parseMac(text: string): Mac | undefined {
  if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) return undefined;
  return Number.parseInt(text.replaceAll(':', ''), 16) as Mac;
}

export function formatMac(mac: Mac): string {
  return mac
    .toString(16)
    .padStart(12, '0')
    .replace(/(..)(?=.)/g, '$1:');
}

/** Reads 6 bytes in network order. Throws `RangeError` for another length. */
export function macFromBytes(bytes: Uint8Array): Mac {
  if (bytes.length !== 6) throw new RangeError(`A MAC address has 6 bytes, not ${bytes.length}`);
  return bytes.reduce((value, byte) => value * 256 + byte, 0) as Mac;
}

export function macToBytes(mac: Mac): Uint8Array {
  const bytes = new Uint8Array(6);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Math.floor(mac / 0x1_0000_0000));
  view.setUint32(2, mac % 0x1_0000_0000);
  return bytes;
}

/** True for group addresses (the I/G bit), broadcast included. */
export function isMulticastMac(mac: Mac): boolean {
  return (Math.floor(mac / 0x100_0000_0000) & 1) === 1;
}
