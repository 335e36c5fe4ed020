import { type Address, parseAddress } from '../../domain/address.ts';
import type { Node } from '../../domain/node.ts';
import {
  child,
  type Decoded,
  decode,
  descend,
  type Field,
  items,
  type Locate,
  parsed,
  text,
} from './field.ts';
import { readMeta } from './meta.ts';
import { readPodCIDRs } from './pod-cidrs.ts';
import { readWeight } from './weight.ts';

const MAX_ADDRESSES = 64;
const MAX_CONDITIONS = 64;
const MAX_TAINTS = 256;

/** Reads a core/v1 Node. One without conditions, as people write them by hand, counts as ready. */
export function decodeNode(value: unknown, locate?: Locate): Decoded<Node> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'Node', namespaced: false, name: 'subdomain' });
    const conditions = new Map(
      items(descend(root, 'status', 'conditions'), MAX_CONDITIONS).map((item) => [
        text(child(item, 'type'), ''),
        text(child(item, 'status'), ''),
      ]),
    );
    const internalAddresses = items(descend(root, 'status', 'addresses'), MAX_ADDRESSES)
      .filter((item) => child(item, 'type').value === 'InternalIP')
      .flatMap((item) => readAddress(child(item, 'address')));
    return {
      ...meta,
      internalAddresses,
      ready: conditions.size === 0 || conditions.get('Ready') === 'True',
      networkUnavailable: conditions.get('NetworkUnavailable') === 'True',
      taints: items(descend(root, 'spec', 'taints'), MAX_TAINTS).map((item) =>
        text(child(item, 'key'), ''),
      ),
      podCIDRs: readPodCIDRs(root, internalAddresses),
      weight: readWeight(root),
    };
  });
}

/** An address as a list, empty when it is not readable. */
function readAddress(field: Field): Address[] {
  const address = parsed(field, parseAddress, 'an IP address', 'Write for example 192.0.2.10');
  return address === undefined ? [] : [address];
}
