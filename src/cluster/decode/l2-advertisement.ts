import type { L2Advertisement, WeightedSelector } from '../../domain/l2-advertisement.ts';
import {
  child,
  type Decoded,
  decode,
  type Field,
  fail,
  integer,
  isAbsent,
  items,
  type Locate,
  section,
} from './field.ts';
import { readMeta } from './meta.ts';
import { readNames } from './names.ts';
import { readSelector, readSelectors } from './selector.ts';

const MAX_POOLS = 4096;
const MAX_INTERFACES = 256;
const MAX_PREFERENCES = 64;
const MAX_WEIGHT = 100;

/** Reads a metallb.io/v1beta1 L2Advertisement; refuses what MetalLB's admission refuses. */
export function decodeL2Advertisement(value: unknown, locate?: Locate): Decoded<L2Advertisement> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'L2Advertisement', namespaced: true, name: 'subdomain' });
    const spec = section(root, 'spec');
    return {
      ...meta,
      pools: readNames(child(spec, 'ipAddressPools'), MAX_POOLS, 'Pool'),
      poolSelectors: readSelectors(child(spec, 'ipAddressPoolSelectors')),
      nodeSelectors: readSelectors(child(spec, 'nodeSelectors')),
      interfaces: readNames(child(spec, 'interfaces'), MAX_INTERFACES, 'Interface'),
      serviceSelectors: readSelectors(child(spec, 'serviceSelectors')),
      preferredNodeSelectors: items(child(spec, 'preferredNodeSelectors'), MAX_PREFERENCES).map(
        readPreference,
      ),
    };
  });
}

function readPreference(field: Field): WeightedSelector {
  const weight = child(field, 'weight');
  const preference = child(field, 'preference');
  if (isAbsent(weight))
    fail(weight, 'The preference has no weight', `Write a number from 1 to ${MAX_WEIGHT}`);
  return {
    weight: integer(weight, 1, MAX_WEIGHT, 1),
    preference: readSelector(preference),
  };
}
