import test from 'ava';
import { type LabelRequirement, selectorMatches } from '../../src/domain/selector.ts';

const labels = { app: 'web', tier: 'front' };
const cases: [LabelRequirement['operator'], string, string[], boolean][] = [
  ['In', 'app', ['api', 'web'], true],
  ['In', 'app', ['api'], false],
  ['In', 'zone', ['a'], false],
  ['NotIn', 'app', ['api'], true],
  ['NotIn', 'app', ['web'], false],
  ['NotIn', 'zone', ['a'], true],
  ['Exists', 'app', [], true],
  ['Exists', 'zone', [], false],
  ['DoesNotExist', 'zone', [], true],
  ['DoesNotExist', 'app', [], false],
  ['Exists', 'toString', [], false],
];
for (const [operator, key, values, expected] of cases) {
  test(`selectorMatches() is ${expected} for ${key} ${operator} [${values}]`, (t) => {
    t.is(selectorMatches([{ key, operator, values }], labels), expected);
  });
}

test('selectorMatches() takes an empty selector for everything and needs every requirement', (t) => {
  t.true(selectorMatches([], {}));
  t.false(
    selectorMatches(
      [
        { key: 'app', operator: 'Exists', values: [] },
        { key: 'zone', operator: 'Exists', values: [] },
      ],
      labels,
    ),
  );
});
