import test from 'ava';
import type { Backend } from '../../../src/domain/forwarding.ts';
import type { Scheduler } from '../../../src/domain/scheduler.ts';
import { choiceOf, chooseFrom } from '../../../src/plan/forwarding/ring.ts';
import { backend } from '../../support/objects.ts';

const backends = (weights: readonly number[], uses: Record<number, Backend['use']> = {}) =>
  weights.map((weight, i) => backend(`10.0.0.${i + 1} 80`, { weight, use: uses[i] ?? 'active' }));
const ones = (count: number) => new Array<number>(count).fill(1);

const CHOICES: [Scheduler, number[], ReturnType<typeof choiceOf>][] = [
  ['maglev', [], 'rendezvous'],
  ['maglev', ones(16), 'rendezvous'],
  ['maglev', ones(17), 'ring'],
  ['maglev', [3, 3], 'rendezvous'],
  ['maglev', [1, 2], 'ring'],
  ['maglev', [2, 0, 2], 'rendezvous'],
  ['source-hash', ones(3), 'rendezvous'],
  ['source-hash', [1, 2], 'ring'],
  ['round-robin', ones(3), 'ring'],
  ['least-connections', ones(3), 'ring'],
];
for (const [scheduler, weights, choice] of CHOICES) {
  test(`choiceOf() ${scheduler}, ${weights.length} backends of weight ${[...new Set(weights)]}: ${choice}`, (t) => {
    t.is(choiceOf(scheduler, backends(weights)), choice);
  });
}

test('choiceOf() does not ask which backends are in use', (t) => {
  for (const weights of [ones(16), ones(17), [1, 2]]) {
    const failing = backends(weights, { 0: 'down', 1: 'draining' });
    t.is(choiceOf('maglev', failing), choiceOf('maglev', backends(weights)));
  }
});

test('chooseFrom() lists those that take new flows once for rendezvous', (t) => {
  const { choice, ring } = chooseFrom('maglev', backends(ones(4), { 1: 'down', 2: 'draining' }));
  t.is(choice, 'rendezvous');
  t.deepEqual([...ring], [0, 3]);
});

test('chooseFrom() makes a Maglev table by weight, of the same size while one is down', (t) => {
  const whole = chooseFrom('maglev', backends([1, 3, 4]));
  const less = chooseFrom('maglev', backends([1, 3, 4], { 0: 'down' }));
  t.is(less.ring.length, whole.ring.length);
  const share = (index: number) => whole.ring.filter((each) => each === index).length;
  t.is(Math.round((8 * share(1)) / whole.ring.length), 3);
  t.deepEqual([...new Set(less.ring)].sort(), [1, 2]);
});

test('chooseFrom() writes round robin as the sequence of the active ones', (t) => {
  const { choice, ring } = chooseFrom('round-robin', backends([10, 7, 20], { 1: 'down' }));
  t.is(choice, 'ring');
  t.deepEqual([...ring], [2, 0, 2]);
});

test('chooseFrom() lists each backend as often as its weight for least connections', (t) => {
  const { ring } = chooseFrom('least-connections', backends([2, 4, 6]));
  t.deepEqual([...ring], [0, 1, 1, 2, 2, 2]);
});

test('chooseFrom() needs one place for one backend, and none for nobody', (t) => {
  for (const scheduler of ['maglev', 'round-robin', 'least-connections'] as const) {
    t.deepEqual([...chooseFrom(scheduler, backends([5, 3], { 0: 'down' })).ring], [1]);
    t.is(chooseFrom(scheduler, backends([5, 3], { 0: 'down', 1: 'draining' })).ring.length, 0);
  }
});
