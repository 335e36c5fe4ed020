import test from 'ava';
import fc from 'fast-check';
import {
  compareVersions,
  isOlder,
} from '../../../../src/cluster/kubernetes/reflector/resource-version.ts';

test('compareVersions() orders as integers do, of any size', (t) => {
  const version = fc.bigInt({ min: 0n, max: 2n ** 130n });
  fc.assert(
    fc.property(version, version, (a, b) => {
      const order = compareVersions(String(a), String(b)) as number;
      t.is(Math.sign(order), a < b ? -1 : a > b ? 1 : 0);
      t.is(isOlder(String(a), String(b)), a < b);
    }),
  );
});

test('compareVersions() does not guess about what is no number', (t) => {
  for (const [a, b] of [
    ['', '1'],
    ['1', ''],
    ['0x1', '2'],
    ['01', '2'],
    ['-1', '2'],
    ['a', 'b'],
  ] as const) {
    t.is(compareVersions(a, b), undefined);
    t.false(isOlder(a, b));
  }
});
