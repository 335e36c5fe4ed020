import { ByteReader } from '../../bytes.ts';
import { AS_TRANS } from '../as-number.ts';
import type { CodecContext } from '../codec-context.ts';
import {
  BARE_PATH,
  type NotificationContent,
  type PathAttributes,
  type UpdateFault,
} from '../message.ts';
import { NOTIFICATION, notification, UPDATE_ERROR } from '../notification-codes.ts';
import { mergeAs4Path } from './as-path.ts';
import {
  ATTRIBUTE,
  attributeName,
  FLAG,
  OPTIONAL,
  type RawAttribute,
  readAttribute,
  writeAttributes,
} from './attribute.ts';
import { ATTRIBUTE_RULES } from './attribute-rules.ts';
import type { PathDraft } from './attribute-values.ts';

/** A fault, and what the peer is told when the session must end because of it (RFC 7606 §5.2). */
export interface AttributeFault extends UpdateFault {
  readonly reset: NotificationContent;
}

/** The attributes of an UPDATE. */
export interface DecodedAttributes {
  readonly path: PathAttributes;
  /** Type codes that were there, malformed ones among them. */
  readonly present: ReadonlySet<number>;
  readonly mpReach: RawAttribute | undefined;
  readonly mpUnreach: RawAttribute | undefined;
  readonly faults: readonly AttributeFault[];
  /** What ends the session whatever else there is. */
  readonly error: NotificationContent | undefined;
}

/** State of reading: what `DecodedAttributes` will be. */
interface Reading {
  readonly context: CodecContext;
  readonly draft: PathDraft;
  readonly present: Set<number>;
  /** Noted once each, however often they come. */
  readonly repeated: Set<number>;
  readonly faults: AttributeFault[];
  mpReach: RawAttribute | undefined;
  mpUnreach: RawAttribute | undefined;
}

/** Flags that tell the class of an attribute; the others tell nothing that could be wrong. */
const CLASS_FLAGS = FLAG.optional | FLAG.transitive;

/** Reads the attributes of an UPDATE as far as they can be read, and notes what is wrong (RFC 7606 §3, §4). */
export function decodeAttributes(bytes: Uint8Array, context: CodecContext): DecodedAttributes {
  const reading: Reading = {
    context,
    draft: { ...BARE_PATH, as4Path: undefined, as4Aggregator: undefined },
    present: new Set(),
    repeated: new Set(),
    faults: [],
    mpReach: undefined,
    mpUnreach: undefined,
  };
  const reader = new ByteReader(bytes);
  let error: NotificationContent | undefined;
  while (reader.remaining > 0 && error === undefined) {
    const attribute = readAttribute(reader);
    if (attribute === undefined) {
      reading.faults.push(truncated());
      break;
    }
    error = take(reading, attribute);
  }
  const { present, mpReach, mpUnreach, faults, draft } = reading;
  return { path: finish(draft), present, mpReach, mpUnreach, faults, error };
}

/** Takes one in; answers with what ends the session. */
function take(reading: Reading, attribute: RawAttribute): NotificationContent | undefined {
  const { code, flags } = attribute;
  const isMp = code === ATTRIBUTE.mpReach || code === ATTRIBUTE.mpUnreach;
  if (reading.present.has(code)) return repeated(reading, attribute, isMp);
  reading.present.add(code);
  if (isMp) {
    reading[code === ATTRIBUTE.mpReach ? 'mpReach' : 'mpUnreach'] = attribute;
    if ((flags & CLASS_FLAGS) !== OPTIONAL) reading.faults.push(wrongFlags(attribute));
    return undefined;
  }
  if (ATTRIBUTE_RULES.has(code)) return takeKnown(reading, attribute);
  // A well-known attribute that is not known is from another protocol (RFC 4271 §6.3).
  if ((flags & FLAG.optional) === 0) return resetBy(UPDATE_ERROR.unrecognizedWellKnown, attribute);
  takeUnknown(reading, attribute);
  return undefined;
}

function takeKnown(reading: Reading, attribute: RawAttribute): undefined {
  const { code, flags, value } = attribute;
  const rule = ATTRIBUTE_RULES.get(code);
  if (rule === undefined) return;
  if (rule.internalOnly && !reading.context.internal) {
    const reason = 'comes from a peer of another AS';
    reading.faults.push(faultOf(attribute, 'attributeDiscard', rule.subcode, reason));
  } else if ((flags & CLASS_FLAGS) !== rule.flags) {
    reading.faults.push(wrongFlags(attribute));
  } else {
    const reason = rule.read(value, reading.draft, reading.context);
    if (reason !== undefined)
      reading.faults.push(faultOf(attribute, rule.onFault, rule.subcode, reason));
  }
}

function takeUnknown(reading: Reading, { code, flags, value }: RawAttribute): void {
  reading.draft.unknown = [
    ...reading.draft.unknown,
    {
      code,
      transitive: (flags & FLAG.transitive) !== 0,
      partial: (flags & FLAG.partial) !== 0,
      bytes: value.slice(),
    },
  ].sort((a, b) => a.code - b.code);
}

/** RFC 7606 §3 g. */
function repeated(
  reading: Reading,
  attribute: RawAttribute,
  isMp: boolean,
): NotificationContent | undefined {
  if (isMp) return resetBy(UPDATE_ERROR.malformedAttributeList);
  if (reading.repeated.has(attribute.code)) return undefined;
  reading.repeated.add(attribute.code);
  const { malformedAttributeList } = UPDATE_ERROR;
  const reason = 'is there more than once';
  reading.faults.push(faultOf(attribute, 'attributeDiscard', malformedAttributeList, reason));
  return undefined;
}

/** RFC 7606 §3 c. */
function wrongFlags(attribute: RawAttribute): AttributeFault {
  const reason = 'has the Optional or Transitive flag wrong';
  return faultOf(attribute, 'treatAsWithdraw', UPDATE_ERROR.attributeFlags, reason);
}

function truncated(): AttributeFault {
  return {
    approach: 'treatAsWithdraw',
    attribute: 0,
    family: undefined,
    reason: 'The last attribute is longer than all of them together',
    reset: resetBy(UPDATE_ERROR.malformedAttributeList),
  };
}

function faultOf(
  attribute: RawAttribute,
  approach: UpdateFault['approach'],
  subcode: number,
  reason: string,
): AttributeFault {
  return {
    approach,
    attribute: attribute.code,
    family: undefined,
    reason: `${attributeName(attribute.code)} ${reason}`,
    reset: resetBy(subcode, attribute),
  };
}

/** The end of the session, with the attribute as it came. */
export function resetBy(subcode: number, attribute?: RawAttribute): NotificationContent {
  const data = attribute && writeAttributes([attribute]);
  return notification(NOTIFICATION.update, subcode, data);
}

/** Brings numbers of four octets back (RFC 6793 §4.2.3). */
function finish({ as4Path, as4Aggregator, ...path }: PathDraft): PathAttributes {
  const { aggregator } = path;
  // Somebody on the way who knows two octets only has aggregated: the rest is outdated.
  if (aggregator && as4Aggregator && aggregator.asn !== AS_TRANS) return path;
  return {
    ...path,
    aggregator: aggregator && (as4Aggregator ?? aggregator),
    asPath: as4Path ? mergeAs4Path(path.asPath, as4Path) : path.asPath,
  };
}
