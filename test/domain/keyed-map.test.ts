import test from 'ava';
import fc from 'fast-check';
import { KeyedMap } from '../../src/domain/keyed-map.ts';

const changes = fc.array(
  fc.tuple(
    fc.nat(40).map((n) => `ns/${n}`),
    fc.option(fc.nat(5), { nil: undefined }),
  ),
  { maxLength: 60 },
);

test('KeyedMap behaves as a Map through any changes, and reports exactly what differs', (t) => {
  fc.assert(
    fc.property(changes, changes, (first, second) => {
      const model = new Map<string, number>();
      const apply = (list: typeof first) => {
        for (const [key, value] of list) {
          if (value === undefined) model.delete(key);
          else model.set(key, value);
        }
      };
      apply(first);
      const before = KeyedMap.empty<number>().withAll(first);
      const modelBefore = new Map(model);
      apply(second);
      const after = before.withAll(second);
      t.deepEqual([...after].sort(), [...model].sort());
      t.is(after.size, model.size);
      t.deepEqual([...before].sort(), [...modelBefore].sort());
      const differing = [...new Set([...model.keys(), ...modelBefore.keys()])].filter(
        (key) => model.get(key) !== modelBefore.get(key),
      );
      t.deepEqual(after.changedKeys(before).sort(), differing.sort());
    }),
  );
});

test('with() and without() return the same map when nothing changes', (t) => {
  const map = KeyedMap.from([['a', 1]]);
  t.is(map.with('a', 1), map);
  t.is(map.without('b'), map);
  t.is(map.with('a', 2).get('a'), 2);
  t.is(map.without('a').size, 0);
});

test('keys with equal hashes and odd names are kept apart', (t) => {
  const names = [
    '',
    '__proto__',
    'constructor',
    'ü/ß',
    ...Array.from({ length: 20000 }, (_, i) => `k${i}`),
  ];
  const map = KeyedMap.from(names.map((name) => [name, name] as const));
  t.is(map.size, names.length);
  t.true(names.every((name) => map.get(name) === name));
  t.is([...map.keys()].length, names.length);
});
