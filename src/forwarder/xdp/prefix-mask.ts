import { familyOf } from '../../domain/address.ts';
import type { Prefix } from '../../domain/prefix.ts';

/** 16 bytes with ones where the prefix counts, IPv4 as the data plane has it (::ffff:a.b.c.d). */
export function prefixMask({ base, length }: Prefix): Uint8Array {
  const bits = familyOf(base) === 4 ? 96 + length : length;
  return Uint8Array.from({ length: 16 }, (_, at) => {
    const ones = Math.min(8, Math.max(0, bits - at * 8));
    return (0xff00 >> ones) & 0xff;
  });
}
