import test from 'ava';
import { parseDuration, parsePortRange, parseStatusRanges } from '../../src/settings/values.ts';

test('parseDuration() reads one whole number with a unit', (t) => {
  t.is(parseDuration('500ms'), 500);
  t.is(parseDuration('2s'), 2000);
  t.is(parseDuration('5m'), 300_000);
  t.is(parseDuration('2h'), 7_200_000);
  t.is(parseDuration('0s'), 0);
});

for (const text of [
  '',
  '2',
  's',
  '-1s',
  '1.5s',
  '02s',
  '1 s',
  '1d',
  '1h30m',
  '99999999999s',
  '577h',
]) {
  test(`parseDuration() refuses "${text}"`, (t) => t.is(parseDuration(text), undefined));
}

test('parsePortRange() reads an ordered range of ports', (t) => {
  t.deepEqual(parsePortRange('1-65535'), { first: 1, last: 65_535 });
  t.deepEqual(parsePortRange('80-80'), { first: 80, last: 80 });
});

for (const text of ['', '80', '0-9', '9-1', '1-65536', '1 - 2', '01-2', '1-2-3']) {
  test(`parsePortRange() refuses "${text}"`, (t) => t.is(parsePortRange(text), undefined));
}

test('parseStatusRanges() reads statuses and ranges', (t) => {
  t.deepEqual(parseStatusRanges('200-299, 404'), [
    [200, 299],
    [404, 404],
  ]);
});

for (const text of ['', '20', '600', '300-200', '200-', '200,,201', '2xx']) {
  test(`parseStatusRanges() refuses "${text}"`, (t) => t.is(parseStatusRanges(text), undefined));
}
