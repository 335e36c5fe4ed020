import test from 'ava';
import { parseGoDuration } from '../../../src/cluster/decode/duration.ts';

test('parseGoDuration() reads what Go writes', (t) => {
  for (const [text, ms] of [
    ['0', 0],
    ['0s', 0],
    ['90s', 90_000],
    ['1m30s', 90_000],
    ['1h0m0.5s', 3_600_500],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['250ms', 250],
    ['1µs', 0.001],
    ['-3s', -3000],
    ['+3s', 3000],
  ] as const)
    t.is(parseGoDuration(text), ms, text);
});

test('parseGoDuration() refuses what Go refuses', (t) => {
  for (const text of ['', '-', '90', '3x', 's', '.s', '1m30', '1 s', '1s ', '1e3s'])
    t.is(parseGoDuration(text), undefined, text);
});
