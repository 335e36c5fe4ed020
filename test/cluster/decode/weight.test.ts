import test from 'ava';
import { decodeNode } from '../../../src/cluster/decode/node.ts';

const read = (labels: object) => decodeNode({ metadata: { name: 'n', labels } });

for (const [written, weight] of [
  ['0', 0],
  ['1', 1],
  ['100', 100],
  ['007', 7],
] as const) {
  test(`the label tidegate.io/weight: "${written}" is read as ${weight}`, (t) => {
    const { value, problems } = read({ 'tidegate.io/weight': written });
    t.is(value?.weight, weight);
    t.deepEqual(problems, []);
  });
}

test('without the label there is no weight', (t) => {
  t.is(read({ a: 'b' }).value?.weight, undefined);
});

for (const written of ['101', 'heavy', '1.5', '']) {
  test(`the label tidegate.io/weight: "${written}" is a warning with object, field and remedy`, (t) => {
    const { value, problems } = read({ 'tidegate.io/weight': written });
    t.is(value?.weight, undefined);
    t.like(problems[0], {
      severity: 'warning',
      object: { kind: 'Node', key: 'n' },
      field: 'metadata.labels["tidegate.io/weight"]',
      message: `"${written}" is not a weight`,
      remedy: 'Write a whole number from 0 to 100, in quotes',
    });
  });
}
