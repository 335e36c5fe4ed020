import { createHash } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import type { Box } from '../../../src/plan/announcing/boxes.ts';
import { ownerOf } from '../../../src/plan/announcing/owner.ts';
import type { Rule } from '../../../src/plan/announcing/rules.ts';

function box(name: string, fields: Partial<Box> = {}): Box {
  const nothing = { draining: false, nodeObstacle: '', obstacle: '', withheld: new Set<string>() };
  return { name, labels: {}, ...nothing, candidate: true, ...fields };
}

function rule(weights: Record<string, number>): Rule {
  return {
    key: 'metallb-system/lan',
    interfaces: undefined,
    serviceSelectors: [],
    weights: new Map(Object.entries(weights)),
  };
}

/** Written from MetalLB's speaker (`sortL2Candidates`), with Node's own hash. */
function reference(names: readonly string[], text: string, weights: Record<string, number>) {
  const hash = (name: string) => createHash('sha256').update(`${name}#${text}`).digest('hex');
  const weight = (name: string) => weights[name] ?? 0;
  const [first = ''] = [...names].sort(
    (a, b) => weight(b) - weight(a) || (hash(a) < hash(b) ? -1 : 1),
  );
  return first;
}

const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/), { maxLength: 6 });
const text = fc.oneof(fc.ipV4(), fc.ipV6());

test('ownerOf() chooses as MetalLB does', (t) => {
  fc.assert(
    fc.property(names, text, fc.array(fc.nat(2)), (all, vip, numbers) => {
      const weights = Object.fromEntries(all.map((name, i) => [name, numbers[i] ?? 0]));
      const boxes = all.map((name) => box(name));
      t.is(ownerOf(vip, vip, [rule(weights)], boxes), reference(all, vip, weights));
    }),
  );
});

test('ownerOf() sums what several advertisements prefer', (t) => {
  const boxes = [box('a'), box('b'), box('c')];
  const rules = [rule({ a: 10, b: 6, c: 0 }), rule({ a: 0, b: 5 })];
  t.is(ownerOf('192.0.2.1', '192.0.2.1', rules, boxes), 'b');
});

test('ownerOf() passes over boxes that are not at work or not allowed', (t) => {
  const only = rule({ a: 0, b: 0, c: 0 });
  const boxes = [box('a', { candidate: false }), box('b'), box('d')];
  t.is(ownerOf('192.0.2.1', '192.0.2.1', [only], boxes), 'b');
  t.is(ownerOf('192.0.2.1', '192.0.2.1', [only], [box('a', { candidate: false })]), '');
  t.is(ownerOf('192.0.2.1', '192.0.2.1', [], boxes), '');
});

test('ownerOf() passes over boxes that withhold the address, unless all of them do', (t) => {
  const rules = [rule({ a: 100, b: 1, c: 0 })];
  const cannot = { withheld: new Set(['192.0.2.1']) };
  const [a, b, c] = [box('a', cannot), box('b', cannot), box('c')];
  t.is(ownerOf('192.0.2.1', '192.0.2.1', rules, [a, b, c]), 'c');
  t.is(ownerOf('192.0.2.1', '192.0.2.1', rules, [a, b]), 'a');
  t.is(ownerOf('192.0.2.2', '192.0.2.2', rules, [a, b, c]), 'a');
});

test('ownerOf() moves only what a box that comes gets, and no more than its share', (t) => {
  const texts = Array.from({ length: 2000 }, (_, i) => `192.0.${i >> 8}.${i & 255}`);
  const all = ['a', 'b', 'c', 'd', 'e'];
  const rules = [rule(Object.fromEntries(all.map((name) => [name, 0])))];
  const owners = (boxes: readonly string[]) =>
    texts.map((vip) =>
      ownerOf(
        vip,
        vip,
        rules,
        boxes.map((name) => box(name)),
      ),
    );
  const before = owners(all.slice(0, 4));
  const after = owners(all);
  const moved = texts.filter((_, i) => before[i] !== after[i]);
  t.true(texts.every((_, i) => before[i] === after[i] || after[i] === 'e'));
  t.true(moved.length > 300 && moved.length < 500, `a fifth of 2000, and not ${moved.length}`);
});
