import test from 'ava';
import { ago, bytes, endpoint, plural, when } from '../../src/cli/format.ts';

const NOW = Date.UTC(2026, 0, 2, 12);
const before = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();

test('ago() takes the unit that reads best', (t) => {
  t.is(ago(before(0), NOW), '0 s');
  t.is(ago(before(99), NOW), '99 s');
  t.is(ago(before(180), NOW), '3 min');
  t.is(ago(before(7200), NOW), '2 h');
  t.is(ago(before(200_000), NOW), '2 d');
  t.is(ago(before(-5), NOW), '0 s');
});

test('bytes() has three digits', (t) => {
  t.is(bytes(0), '0 B');
  t.is(bytes(999), '999 B');
  t.is(bytes(400_000), '400 kB');
  t.is(bytes(9_000_000), '9.00 MB');
  t.is(bytes(1.5e15), '1.50 PB');
});

test('endpoint() puts IPv6 in brackets', (t) => {
  t.is(endpoint('192.0.2.1', 80), '192.0.2.1:80');
  t.is(endpoint('2001:db8::1', 80), '[2001:db8::1]:80');
});

test('when() leaves out the date of today', (t) => {
  t.is(when('2026-01-02T03:04:05.000Z', NOW), '03:04:05Z');
  t.is(when('2026-01-01T03:04:05.000Z', NOW), '2026-01-01 03:04:05Z');
});

test('plural() counts in English', (t) => {
  t.is(plural(1, 'address'), '1 address');
  t.is(plural(2, 'address'), '2 addresses');
  t.is(plural(0, 'backend'), '0 backends');
});
