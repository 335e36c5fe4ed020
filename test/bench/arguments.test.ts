import test from 'ava';
import { readArguments } from './arguments.ts';

const KNOWN = ['dataplane', 'requests', 'health'];

test('readArguments() takes all groups when none is named', (t) => {
  const all = { groups: KNOWN, rounds: 5, quick: false, out: undefined };
  t.deepEqual(readArguments([], KNOWN), all);
  t.deepEqual(readArguments(['--quick'], KNOWN), { ...all, rounds: 2, quick: true });
});

test('readArguments() keeps the order of the groups, and takes options anywhere', (t) => {
  const words = ['health', '--runs', '9', 'dataplane', '--out', 'x.json', '--quick'];
  t.deepEqual(readArguments(words, KNOWN), {
    groups: ['dataplane', 'health'],
    rounds: 9,
    quick: true,
    out: 'x.json',
  });
});

test('readArguments() names what is wrong', (t) => {
  const message = /There is no group "speed"; there are dataplane, requests, health/;
  t.throws(() => readArguments(['speed'], KNOWN), { message });
  for (const runs of ['0', '1.5', 'many', '101']) {
    t.throws(() => readArguments(['--runs', runs], KNOWN), {
      message: `--runs is "${runs}" and must be a number from 1 to 100`,
    });
  }
  t.throws(() => readArguments(['--fast'], KNOWN), { message: /--fast/ });
});
