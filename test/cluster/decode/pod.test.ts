import test from 'ava';
import { decodePod } from '../../../src/cluster/decode/pod.ts';

test('decodePod() reads its node, and whether it is being deleted', (t) => {
  const metadata = { name: 'p', deletionTimestamp: '2026-01-01T00:00:00Z' };
  const going = decodePod({ metadata, spec: { nodeName: 'n' } });
  t.deepEqual(going.problems, []);
  t.like(going.value, { key: 'default/p', nodeName: 'n', deleting: true });
  t.like(decodePod({ metadata: { name: 'p' } }).value, { nodeName: undefined, deleting: false });
});

test('decodePod() keeps the label of its weight and no other', (t) => {
  const labels = { app: 'web', 'tidegate.io/weight': '30' };
  const { value, problems } = decodePod({ metadata: { name: 'p', labels } });
  t.deepEqual(problems, []);
  t.is(value?.weight, 30);
  t.deepEqual(value?.labels, { 'tidegate.io/weight': '30' });
  t.deepEqual(decodePod({ metadata: { name: 'p', labels: { app: 'web' } } }).value?.labels, {});
});

for (const [what, fields, field] of [
  ['a node that is no text', { spec: { nodeName: 7 } }, 'spec.nodeName'],
  ['a spec that is no object', { spec: 'x' }, 'spec'],
] as const) {
  test(`decodePod() refuses ${what}`, (t) => {
    const { value, problems } = decodePod({ metadata: { name: 'p' }, ...fields });
    t.is(value, undefined);
    t.is(problems[0]?.field, field);
  });
}
