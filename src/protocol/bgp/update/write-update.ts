import { type Family, familyOf } from '../../../domain/address.ts';
import type { Prefix } from '../../../domain/prefix.ts';
import type { CodecContext } from '../codec-context.ts';
import { HEADER_SIZE, MESSAGE_TYPE, startMessage } from '../header.ts';
import type { PathAttributes } from '../message.ts';
import { encodeNextHop, prefixesSize } from './multiprotocol.ts';
import { writePrefix } from './nlri.ts';

/** Octets of an UPDATE in which there is nothing: header and two lengths. */
export const EMPTY_UPDATE_SIZE = HEADER_SIZE + 4;

/** An UPDATE by its fields (RFC 4271 §4.3); prefixes are of IPv4, and attributes are encoded. */
export interface UpdateFields {
  readonly withdrawn: readonly Prefix[];
  readonly attributes: readonly Uint8Array[];
  readonly announced: readonly Prefix[];
}

export function writeUpdate({ withdrawn, attributes, announced }: UpdateFields): Uint8Array {
  const withdrawnSize = prefixesSize(withdrawn);
  const attributesSize = attributes.reduce((sum, { length }) => sum + length, 0);
  const size = EMPTY_UPDATE_SIZE + withdrawnSize + attributesSize + prefixesSize(announced);
  const writer = startMessage(MESSAGE_TYPE.update, size).u16(withdrawnSize);
  for (const prefix of withdrawn) writePrefix(writer, prefix);
  writer.u16(attributesSize);
  for (const block of attributes) writer.bytes(block);
  for (const prefix of announced) writePrefix(writer, prefix);
  return writer.done();
}

/** Where prefixes of a family stand: in the message's own fields, or in an attribute with this next hop. */
export type Place =
  | { readonly kind: 'field' }
  | { readonly kind: 'attribute'; readonly nextHop: Uint8Array };

/** `undefined`: the path has no next hop that prefixes of this family may have in this session. */
export function placeOf(
  family: Family,
  { nextHop, mpNextHop }: PathAttributes,
  context: CodecContext,
): Place | undefined {
  if (family === 4 && nextHop !== undefined) return { kind: 'field' };
  if (mpNextHop === undefined) return undefined;
  const foreign = family === 4 && familyOf(mpNextHop.global) === 6;
  if (foreign && !context.extendedNextHop) return undefined;
  return { kind: 'attribute', nextHop: encodeNextHop(family, mpNextHop) };
}

/**
 * Whether withdrawn prefixes of this family go into the message's own field. With next hops of IPv6, IPv4
 * prefixes are withdrawn by attribute, as routers do it.
 */
export function withdrawnInField(family: Family, context: CodecContext): boolean {
  return family === 4 && !context.extendedNextHop;
}
