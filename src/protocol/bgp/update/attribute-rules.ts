import type { UpdateFault } from '../message.ts';
import { UPDATE_ERROR } from '../notification-codes.ts';
import { ATTRIBUTE, OPTIONAL, OPTIONAL_TRANSITIVE, WELL_KNOWN } from './attribute.ts';
import {
  listed,
  type ReadValue,
  readAggregator,
  readAs4Aggregator,
  readAs4Path,
  readAsPath,
  readExtendedCommunity,
  readLargeCommunity,
  readNextHop,
  readOrigin,
  sized,
  withoutDuplicates,
} from './attribute-values.ts';

/** How an attribute is read, and what becomes of a bad one. */
export interface AttributeRule {
  /** Optional and Transitive, as its RFC has them. */
  readonly flags: number;
  /** RFC 7606 §7. */
  readonly onFault: Exclude<UpdateFault['approach'], 'disableFamily'>;
  /** Of no meaning from a peer of another AS, and left out then (RFC 7606 §7.5, §7.9, §7.10). */
  readonly internalOnly: boolean;
  /** Of RFC 4271 §6.3, where a bad value ends the session after all. */
  readonly subcode: number;
  readonly read: ReadValue;
}

const WITHDRAW = { onFault: 'treatAsWithdraw', internalOnly: false } as const;
const WITHDRAW_INTERNAL = { onFault: 'treatAsWithdraw', internalOnly: true } as const;
const DISCARD = { onFault: 'attributeDiscard', internalOnly: false } as const;

const { attributeLength, optionalAttribute } = UPDATE_ERROR;

/** By type code. MP_REACH_NLRI and MP_UNREACH_NLRI hold prefixes, and are read elsewhere. */
export const ATTRIBUTE_RULES: ReadonlyMap<number, AttributeRule> = new Map<number, AttributeRule>([
  [
    ATTRIBUTE.origin,
    { ...WITHDRAW, flags: WELL_KNOWN, subcode: UPDATE_ERROR.invalidOrigin, read: readOrigin },
  ],
  [
    ATTRIBUTE.asPath,
    { ...WITHDRAW, flags: WELL_KNOWN, subcode: UPDATE_ERROR.malformedAsPath, read: readAsPath },
  ],
  [
    ATTRIBUTE.nextHop,
    { ...WITHDRAW, flags: WELL_KNOWN, subcode: UPDATE_ERROR.invalidNextHop, read: readNextHop },
  ],
  [
    ATTRIBUTE.med,
    {
      ...WITHDRAW,
      flags: OPTIONAL,
      subcode: attributeLength,
      read: sized(4, (value, draft) => {
        draft.med = value.u32();
      }),
    },
  ],
  [
    ATTRIBUTE.localPref,
    {
      ...WITHDRAW_INTERNAL,
      flags: WELL_KNOWN,
      subcode: attributeLength,
      read: sized(4, (value, draft) => {
        draft.localPref = value.u32();
      }),
    },
  ],
  [
    ATTRIBUTE.atomicAggregate,
    {
      ...DISCARD,
      flags: WELL_KNOWN,
      subcode: attributeLength,
      read: sized(0, (_value, draft) => {
        draft.atomicAggregate = true;
      }),
    },
  ],
  [
    ATTRIBUTE.aggregator,
    { ...DISCARD, flags: OPTIONAL_TRANSITIVE, subcode: optionalAttribute, read: readAggregator },
  ],
  [
    ATTRIBUTE.communities,
    {
      ...WITHDRAW,
      flags: OPTIONAL_TRANSITIVE,
      subcode: optionalAttribute,
      read: listed(
        4,
        (value) => value.u32(),
        (items, draft) => {
          draft.communities = items;
        },
      ),
    },
  ],
  [
    ATTRIBUTE.originatorId,
    {
      ...WITHDRAW_INTERNAL,
      flags: OPTIONAL,
      subcode: optionalAttribute,
      read: sized(4, (value, draft) => {
        draft.originatorId = value.u32();
      }),
    },
  ],
  [
    ATTRIBUTE.clusterList,
    {
      ...WITHDRAW_INTERNAL,
      flags: OPTIONAL,
      subcode: optionalAttribute,
      read: listed(
        4,
        (value) => value.u32(),
        (items, draft) => {
          draft.clusterList = items;
        },
      ),
    },
  ],
  [
    ATTRIBUTE.extendedCommunities,
    {
      ...WITHDRAW,
      flags: OPTIONAL_TRANSITIVE,
      subcode: optionalAttribute,
      read: listed(8, readExtendedCommunity, (items, draft) => {
        draft.extendedCommunities = items;
      }),
    },
  ],
  [
    ATTRIBUTE.as4Path,
    { ...DISCARD, flags: OPTIONAL_TRANSITIVE, subcode: optionalAttribute, read: readAs4Path },
  ],
  [
    ATTRIBUTE.as4Aggregator,
    { ...DISCARD, flags: OPTIONAL_TRANSITIVE, subcode: optionalAttribute, read: readAs4Aggregator },
  ],
  [
    ATTRIBUTE.largeCommunities,
    {
      ...WITHDRAW,
      flags: OPTIONAL_TRANSITIVE,
      subcode: optionalAttribute,
      read: listed(12, readLargeCommunity, (items, draft) => {
        draft.largeCommunities = withoutDuplicates(items);
      }),
    },
  ],
]);
