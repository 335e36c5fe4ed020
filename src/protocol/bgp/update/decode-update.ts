import type { Family } from '../../../domain/address.ts';
import type { Prefix } from '../../../domain/prefix.ts';
import { ByteReader } from '../../bytes.ts';
import type { Checked } from '../checked.ts';
import type { CodecContext } from '../codec-context.ts';
import type { PathAttributes, UpdateFault, UpdateMessage } from '../message.ts';
import { UPDATE_ERROR } from '../notification-codes.ts';
import { ATTRIBUTE, attributeName } from './attribute.ts';
import {
  type AttributeFault,
  type DecodedAttributes,
  decodeAttributes,
  resetBy,
} from './decode-attributes.ts';
import { decodeMpReach, decodeMpUnreach, type MpPrefixes } from './multiprotocol.ts';
import { decodePrefixes } from './nlri.ts';

/** The three fields of the message (RFC 4271 §4.3), the prefixes of two of them read. */
interface Fields {
  readonly withdrawn: readonly Prefix[];
  readonly announced: readonly Prefix[];
  readonly attributes: Uint8Array;
}

const NOTHING: MpPrefixes = { kind: 'foreign', empty: true };

/**
 * Reads an UPDATE behind its header. What is wrong with it ends the session only where nothing else is
 * allowed: when nobody can tell which routes it is about (RFC 7606 §3, §5).
 */
export function decodeUpdate(body: Uint8Array, context: CodecContext): Checked<UpdateMessage> {
  const fields = readFields(body);
  if (fields.value === undefined) return fields;
  const { withdrawn, announced } = fields.value;
  const decoded = decodeAttributes(fields.value.attributes, context);
  if (decoded.error !== undefined) return { error: decoded.error };
  const reach = decoded.mpReach ? decodeMpReach(decoded.mpReach.value, context) : NOTHING;
  const unreach = decoded.mpUnreach ? decodeMpUnreach(decoded.mpUnreach.value, context) : NOTHING;
  const nameless = [reach, unreach].find(({ kind }) => kind === 'nameless');
  if (nameless !== undefined) {
    const attribute = nameless === reach ? decoded.mpReach : decoded.mpUnreach;
    return { error: resetBy(UPDATE_ERROR.optionalAttribute, attribute) };
  }
  const inField = announced.length > 0;
  const fatal = inField || hasRoutes(reach) ? undefined : fatalFault(decoded);
  if (fatal !== undefined) return { error: fatal.reset };
  const faults = [
    ...decoded.faults.map(({ reset: _, ...fault }) => fault),
    ...missing(decoded, inField, hasRoutes(reach)),
    ...broken(reach, ATTRIBUTE.mpReach),
    ...broken(unreach, ATTRIBUTE.mpUnreach),
  ];
  // IPv4 in the message's own fields, too, is a family that may not have been negotiated.
  const own = context.families.includes(4);
  const path = {
    ...decoded.path,
    // Without prefixes of its own it is about none (RFC 4760 §3).
    nextHop: inField ? decoded.path.nextHop : undefined,
    mpNextHop: reach.kind === 'prefixes' ? reach.nextHop : undefined,
  };
  return {
    value: {
      ...routes(
        [...(own ? withdrawn : []), ...prefixesOf(unreach)],
        [...(own ? announced : []), ...prefixesOf(reach)],
        path,
        faults,
      ),
      kind: 'update',
      endOfRib: own && body.length === EMPTY_SIZE ? 4 : endOfRib(fields.value, decoded, unreach),
      faults,
    },
  };
}

/** Both lengths, and nothing of either: the End-of-RIB of IPv4 (RFC 4724 §2). */
const EMPTY_SIZE = 4;

/** What is announced, unless a fault turns it into withdrawals. */
function routes(
  withdrawn: readonly Prefix[],
  announced: readonly Prefix[],
  attributes: PathAttributes,
  faults: readonly UpdateFault[],
): Pick<UpdateMessage, 'withdrawn' | 'announced' | 'attributes'> {
  if (faults.some(({ approach }) => approach === 'treatAsWithdraw'))
    return { withdrawn: [...withdrawn, ...announced], announced: [], attributes: undefined };
  return { withdrawn, announced, attributes: announced.length > 0 ? attributes : undefined };
}

/** A lone MP_UNREACH_NLRI without prefixes (RFC 4724 §2). */
function endOfRib(
  { withdrawn, announced }: Fields,
  { present }: DecodedAttributes,
  unreach: MpPrefixes,
): Family | undefined {
  if (unreach.kind !== 'prefixes' || !unreach.empty || present.size > 1) return undefined;
  return withdrawn.length + announced.length === 0 ? unreach.family : undefined;
}

/**
 * Attributes are there, and no route that they could be about: with an error among them nobody can be
 * sure to have found the routes (RFC 7606 §5.2).
 */
function fatalFault({ present, faults }: DecodedAttributes): AttributeFault | undefined {
  const fault = faults.find(({ approach }) => approach === 'treatAsWithdraw');
  const lone = present.size === 1 && present.has(ATTRIBUTE.mpUnreach) && fault?.attribute !== 0;
  return lone ? undefined : fault;
}

/** RFC 7606 §3 d. LOCAL_PREF that is not there is read as its default. */
function missing(decoded: DecodedAttributes, inField: boolean, inMp: boolean): UpdateFault[] {
  const needed: number[] = inField || inMp ? [ATTRIBUTE.origin, ATTRIBUTE.asPath] : [];
  if (inField) needed.push(ATTRIBUTE.nextHop);
  return needed
    .filter((code) => !decoded.present.has(code))
    .map((code) => ({
      approach: 'treatAsWithdraw',
      attribute: code,
      family: undefined,
      reason: `${attributeName(code)} is missing`,
    }));
}

/** RFC 7606 §5.3, §7.11, RFC 4760 §7. */
function broken(mp: MpPrefixes, code: number): UpdateFault[] {
  if (mp.kind !== 'broken') return [];
  const reason = `${attributeName(code)} ${mp.reason}`;
  return [{ approach: 'disableFamily', attribute: code, family: mp.family, reason }];
}

function prefixesOf(mp: MpPrefixes): readonly Prefix[] {
  return mp.kind === 'prefixes' ? mp.prefixes : [];
}

/** Whether it is about reachable routes, known or not. */
function hasRoutes(reach: MpPrefixes): boolean {
  if (reach.kind === 'broken') return true;
  return reach.kind !== 'nameless' && !reach.empty;
}

function readFields(body: Uint8Array): Checked<Fields> {
  const reader = new ByteReader(body);
  const malformed = { error: resetBy(UPDATE_ERROR.malformedAttributeList) };
  const withdrawnSize = reader.u16();
  if (withdrawnSize + 2 > reader.remaining) return malformed;
  const withdrawn = decodePrefixes(reader.take(withdrawnSize), 4);
  const attributesSize = reader.u16();
  if (attributesSize > reader.remaining) return malformed;
  const attributes = reader.take(attributesSize);
  const announced = decodePrefixes(reader.take(reader.remaining), 4);
  if (withdrawn === undefined || announced === undefined)
    return { error: resetBy(UPDATE_ERROR.invalidNetwork) };
  return { value: { withdrawn, announced, attributes } };
}
