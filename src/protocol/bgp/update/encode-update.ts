import { type Family, familyOf } from '../../../domain/address.ts';
import { formatPrefix, type Prefix } from '../../../domain/prefix.ts';
import type { CodecContext } from '../codec-context.ts';
import type { PathAttributes, UpdateMessage } from '../message.ts';
import { type RawAttribute, writeAttributes } from './attribute.ts';
import { attributesOf } from './encode-attributes.ts';
import { encodeMpReach, encodeMpUnreach } from './multiprotocol.ts';
import { placeOf, withdrawnInField, writeUpdate } from './write-update.ts';

/** What of prefixes goes where: IPv4 ones into a field of the message, others into an attribute. */
interface Placed {
  readonly field: readonly Prefix[];
  readonly attribute: RawAttribute | undefined;
}

const NONE: Placed = { field: [], attribute: undefined };

/**
 * One UPDATE with all that `message` says; `packUpdates` is for more than fits one. Throws `RangeError` for
 * what one cannot say: announced prefixes without attributes or a next hop, two families that both go into
 * one attribute.
 */
export function encodeUpdate(message: UpdateMessage, context: CodecContext): Uint8Array {
  if (message.endOfRib !== undefined) return encodeEndOfRib(message.endOfRib);
  const { announced, attributes: path } = message;
  const gone = placeWithdrawn(message.withdrawn, context);
  if (announced.length > 0 && path === undefined)
    throw new RangeError('Cannot announce prefixes without attributes');
  const come = path ? placeAnnounced(announced, path, context) : NONE;
  // RFC 7606 §5.1: prefixes come first, so that they are found whatever else is wrong.
  const attributes = [gone.attribute, come.attribute].filter((it) => it !== undefined);
  if (path) attributes.push(...attributesOf(path, come.field.length > 0, context));
  return writeUpdate({
    withdrawn: gone.field,
    attributes: [writeAttributes(attributes)],
    announced: come.field,
  });
}

/** RFC 4724 §2. */
function encodeEndOfRib(family: Family): Uint8Array {
  const attributes = family === 4 ? [] : [writeAttributes([encodeMpUnreach(family, [])])];
  return writeUpdate({ withdrawn: [], attributes, announced: [] });
}

function placeWithdrawn(prefixes: readonly Prefix[], context: CodecContext): Placed {
  const isInField = ({ base }: Prefix) => withdrawnInField(familyOf(base), context);
  const others = prefixes.filter((prefix) => !isInField(prefix));
  const family = oneFamily(others);
  return {
    field: prefixes.filter(isInField),
    attribute: family && encodeMpUnreach(family, others),
  };
}

function placeAnnounced(
  prefixes: readonly Prefix[],
  path: PathAttributes,
  context: CodecContext,
): Placed {
  const isInField = ({ base }: Prefix) => placeOf(familyOf(base), path, context)?.kind === 'field';
  const others = prefixes.filter((prefix) => !isInField(prefix));
  const family = oneFamily(others);
  const place = family && placeOf(family, path, context);
  if (family !== undefined && place?.kind !== 'attribute')
    throw new RangeError(`Cannot announce ${formatPrefix(others[0] as Prefix)} without a next hop`);
  return {
    field: prefixes.filter(isInField),
    attribute:
      family && place?.kind === 'attribute'
        ? encodeMpReach(family, place.nextHop, others)
        : undefined,
  };
}

/** The family of them all; `undefined` when there are none. */
function oneFamily(prefixes: readonly Prefix[]): Family | undefined {
  const [family, second] = new Set(prefixes.map(({ base }) => familyOf(base)));
  if (second !== undefined)
    throw new RangeError('IPv4 and IPv6 prefixes do not fit one attribute: send two messages');
  return family;
}
