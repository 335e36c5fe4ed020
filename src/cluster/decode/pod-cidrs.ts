import type { Address } from '../../domain/address.ts';
import { type Family, familyOf, isLinkLocal, isUnusableAsVip } from '../../domain/address.ts';
import { type Prefix, parsePrefix, prefixContains } from '../../domain/prefix.ts';
import { child, type Field, isAbsent, items, quote, section, warn } from './field.ts';

/** The API takes one a family. */
const MAX_POD_CIDRS = 2;
/** Shorter ones would draw in the world; a whole cluster's Pods have longer ones. */
const SHORTEST: Readonly<Record<Family, number>> = { 4: 8, 6: 16 };

/**
 * `spec.podCIDRs` of a Node, or the older `spec.podCIDR`. One that cannot be where Pods are is left
 * out with a warning, since a Node is of use without it, too.
 */
export function readPodCIDRs(root: Field, nodeAddresses: readonly Address[]): Prefix[] {
  const spec = section(root, 'spec');
  const list = child(spec, 'podCIDRs');
  const single = child(spec, 'podCIDR');
  const fields = isAbsent(list) && !isAbsent(single) ? [single] : items(list, MAX_POD_CIDRS);
  const families = new Set<Family>();
  return fields.flatMap((field) => {
    const prefix = typeof field.value === 'string' ? parsePrefix(field.value) : undefined;
    const problem = problemOf(prefix, nodeAddresses, families);
    if (!prefix || problem !== undefined) {
      const remedy = 'Write the network of the Pods of this Node alone, for example 10.244.1.0/24';
      warn(field, `${quote(field.value)} ${problem}`, remedy);
      return [];
    }
    families.add(familyOf(prefix.base));
    return [prefix];
  });
}

function problemOf(
  prefix: Prefix | undefined,
  nodeAddresses: readonly Address[],
  families: ReadonlySet<Family>,
): string | undefined {
  if (!prefix) return 'is not a network';
  const shortest = SHORTEST[familyOf(prefix.base)];
  if (prefix.length < shortest) return `is wider than a /${shortest}`;
  if (isUnusableAsVip(prefix.base) || isLinkLocal(prefix.base)) {
    return 'is a loopback, link-local, multicast or unspecified network';
  }
  if (families.has(familyOf(prefix.base))) return 'is the second network of its family';
  const covered = nodeAddresses.some((address) => prefixContains(prefix, address));
  return covered ? 'has the address of the Node itself in it' : undefined;
}
