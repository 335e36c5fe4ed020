import test from 'ava';
import fc from 'fast-check';
import type { RouteAttributes } from '../../../src/domain/bgp/bgp-route.ts';
import {
  attributesText,
  contradict,
  leavingAttributes,
  mergeAttributes,
} from '../../../src/plan/bgp/attributes.ts';
import { sortLarge, sortNumbers } from '../../../src/plan/bgp/communities.ts';
import { PLAIN } from '../../support/bgp-objects.ts';
import { address } from '../../support/objects.ts';

const small = fc.nat(3);
const list = fc.array(small, { maxLength: 3 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const attributes: fc.Arbitrary<RouteAttributes> = fc.record({
  communities: list.map(sortNumbers),
  largeCommunities: fc
    .array(fc.record({ global: small, local1: small, local2: small }), { maxLength: 3 })
    .map(sortLarge),
  extendedCommunities: list.map((values) => sortNumbers(values.map(BigInt))),
  localPref: maybe(fc.constantFrom(0, 50, 100, 200)),
  med: maybe(small),
  prepend: small,
  nextHop: maybe(fc.constantFrom(address('192.0.2.1'), address('192.0.2.2'))),
});

test('mergeAttributes() gives the same whatever the order, and nothing new of the same twice', (t) => {
  fc.assert(
    fc.property(attributes, attributes, attributes, (a, b, c) => {
      t.deepEqual(mergeAttributes(a, b), mergeAttributes(b, a));
      const [left, right] = [mergeAttributes(a, b), mergeAttributes(b, c)];
      t.deepEqual(mergeAttributes(left, c), mergeAttributes(a, right));
      t.deepEqual(mergeAttributes(a, a), a);
    }),
    { numRuns: 500 },
  );
});

test('mergeAttributes() says all communities, and else what a router prefers', (t) => {
  const merged = mergeAttributes(
    { ...PLAIN, communities: [1, 5], localPref: 50, med: 4, prepend: 2 },
    { ...PLAIN, communities: [3, 5], med: 7, nextHop: address('192.0.2.1') },
  );
  t.deepEqual(merged, {
    ...PLAIN,
    communities: [1, 3, 5],
    med: 4,
    prepend: 2,
    nextHop: address('192.0.2.1'),
  });
});

test('attributesText() is the same exactly for what is the same', (t) => {
  fc.assert(
    fc.property(attributes, attributes, (a, b) => {
      const key = (value: RouteAttributes) =>
        JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? `${each}` : each));
      t.is(attributesText(a) === attributesText(b), key(a) === key(b));
      t.is(attributesText({ ...a }), attributesText(a));
    }),
    { numRuns: 500 },
  );
});

test('contradict() names what differs, and takes nothing said for agreement but of LOCAL_PREF', (t) => {
  fc.assert(
    fc.property(attributes, attributes, (a, b) => {
      t.is(contradict(a, b), contradict(b, a));
      t.is(contradict(a, a), '');
      if (a.localPref !== b.localPref) t.is(contradict(a, b), 'localPref');
      const same = { ...b, localPref: a.localPref };
      t.is(contradict(a, { ...same, med: undefined, prepend: 0, nextHop: undefined }), '');
    }),
  );
});

test('leavingAttributes() stay as they are when said twice', (t) => {
  fc.assert(
    fc.property(attributes, (a) => {
      const leaving = leavingAttributes(a);
      t.deepEqual(leavingAttributes(leaving), leaving);
    }),
  );
});
