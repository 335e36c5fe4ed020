import { parseAddress } from '../../domain/address.ts';
import type { Pool, ServiceAllocation } from '../../domain/pool.ts';
import { type AddressRange, parseRange, rangesOverlap } from '../../domain/prefix.ts';
import {
  child,
  type Decoded,
  decode,
  type Field,
  fail,
  flag,
  integer,
  isAbsent,
  items,
  type Locate,
  quote,
  section,
  text,
} from './field.ts';
import { readMeta } from './meta.ts';
import { readSelectors } from './selector.ts';

const MAX_ADDRESSES = 4096;
const MAX_NAMESPACES = 4096;
const MAX_PRIORITY = 2 ** 31 - 1;

/** Reads a metallb.io/v1beta1 IPAddressPool; refuses what MetalLB's admission refuses. */
export function decodePool(value: unknown, locate?: Locate): Decoded<Pool> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'IPAddressPool', namespaced: true, name: 'subdomain' });
    const spec = section(root, 'spec');
    const list = child(spec, 'addresses');
    const fields = items(list, MAX_ADDRESSES);
    if (fields.length === 0)
      fail(list, 'The pool has no addresses', 'List CIDR prefixes or ranges');
    const read = fields.flatMap(readRange);
    refuseOverlap(read);
    return {
      ...meta,
      ranges: read.map(({ range }) => range),
      addressTexts: read.map(({ written }) => written),
      autoAssign: flag(child(spec, 'autoAssign'), true),
      avoidBuggyIPs: flag(child(spec, 'avoidBuggyIPs'), false),
      serviceAllocation: readServiceAllocation(section(spec, 'serviceAllocation')),
    };
  });
}

interface WrittenRange {
  readonly field: Field;
  readonly written: string;
  readonly range: AddressRange;
}

function readRange(field: Field): WrittenRange[] {
  const written = typeof field.value === 'string' ? field.value : '';
  const range = parseRange(written);
  if (range) return [{ field, written, range }];
  fail(field, `${quote(field.value)} ${whyNoRange(written)}`, remedyFor(written));
  return [];
}

function whyNoRange(written: string): string {
  const [first, last, ...rest] = written.split('-').map((part) => parseAddress(part.trim()));
  if (first === undefined || rest.length > 0) return 'is neither a CIDR prefix nor a range';
  if (last !== undefined) return 'starts after its end, or mixes IPv4 and IPv6';
  return written.includes('-') ? 'is neither a CIDR prefix nor a range' : 'is a bare address';
}

function remedyFor(written: string): string {
  const address = parseAddress(written.trim());
  if (address === undefined) return 'Write for example 192.0.2.0/24 or 192.0.2.10-192.0.2.20';
  return `Write ${written.trim()}/${written.includes(':') ? 128 : 32}`;
}

/** Sorted by start, an overlap is always with the range before that reaches furthest. */
function refuseOverlap(ranges: readonly WrittenRange[]) {
  const sorted = ranges.toSorted((a, b) => (a.range.first < b.range.first ? -1 : 1));
  let reach: WrittenRange | undefined;
  for (const current of sorted) {
    if (reach && rangesOverlap(reach.range, current.range)) {
      const [earlier, later] =
        Number(reach.field.name) < Number(current.field.name) ? [reach, current] : [current, reach];
      const message = `${quote(later.written)} overlaps ${quote(earlier.written)} of the same pool`;
      fail(later.field, message, 'Remove one or make them disjoint');
    }
    if (!reach || current.range.last > reach.range.last) reach = current;
  }
}

function readServiceAllocation(field: Field): ServiceAllocation | undefined {
  if (isAbsent(field)) return undefined;
  const list = child(field, 'namespaces');
  const fields = items(list, MAX_NAMESPACES);
  const namespaces = fields.map((item) => text(item, ''));
  const seen = new Set<string>();
  for (const [index, name] of namespaces.entries()) {
    if (seen.has(name))
      fail(fields[index] ?? list, `Namespace ${quote(name)} stands here twice`, 'Remove one');
    seen.add(name);
  }
  return {
    priority: integer(child(field, 'priority'), 0, MAX_PRIORITY, 0),
    namespaces,
    namespaceSelectors: readSelectors(child(field, 'namespaceSelectors')),
    serviceSelectors: readSelectors(child(field, 'serviceSelectors')),
  };
}
