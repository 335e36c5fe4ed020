import test from 'ava';
import { nearestOf } from '../../src/settings/nearest.ts';

const NAMES = ['interval', 'timeout', 'rise', 'fall', 'path'];

test('nearestOf() finds what a typing error meant', (t) => {
  t.is(nearestOf('intervall', NAMES), 'interval');
  t.is(nearestOf('timeOut', NAMES), 'timeout');
  t.is(nearestOf('fal', NAMES), 'fall');
});

test('nearestOf() does not guess when nothing is near', (t) => {
  t.is(nearestOf('backends', NAMES), undefined);
  t.is(nearestOf('x', []), undefined);
});
