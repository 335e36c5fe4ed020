import test from 'ava';
import { child, decode } from '../../../src/cluster/decode/field.ts';
import { readSelector } from '../../../src/cluster/decode/selector.ts';
import { selectorMatches } from '../../../src/domain/selector.ts';

function read(selector: unknown) {
  return decode({ selector }, undefined, (root) => readSelector(child(root, 'selector')));
}

test('readSelector() makes equal values of equal selectors', (t) => {
  const a = read({ matchLabels: { a: '1', b: '2' } }).value;
  const b = read({
    matchExpressions: [
      { key: 'b', operator: 'In', values: ['2'] },
      { key: 'a', operator: 'In', values: ['1'] },
    ],
  }).value;
  t.deepEqual(a, b);
  t.true(selectorMatches(a ?? [], { a: '1', b: '2' }));
  t.false(selectorMatches(a ?? [], { a: '1' }));
});

test('readSelector() reads an empty selector, which matches everything', (t) => {
  t.deepEqual(read({}).value, []);
});

for (const [what, expression, field] of [
  ['no key', { operator: 'Exists' }, 'key'],
  ['no operator', { key: 'a' }, 'operator'],
  ['an unknown operator', { key: 'a', operator: 'Is' }, 'operator'],
  ['In without values', { key: 'a', operator: 'In' }, 'values'],
  ['Exists with values', { key: 'a', operator: 'Exists', values: ['b'] }, 'values'],
  ['a value twice', { key: 'a', operator: 'In', values: ['b', 'b'] }, 'values'],
] as const) {
  test(`readSelector() refuses ${what}`, (t) => {
    const { value, problems } = read({ matchExpressions: [expression] });
    t.is(value, undefined);
    t.is(problems[0]?.field, `selector.matchExpressions[0].${field}`);
  });
}

test('readSelector() refuses an expression that stands there twice', (t) => {
  const expression = { key: 'a', operator: 'Exists' };
  const { problems } = read({ matchExpressions: [expression, expression] });
  t.is(problems[0]?.field, 'selector.matchExpressions[1]');
});
