import test from 'ava';
import { heldFragmentCounters } from '../../../src/forwarder/xdp/held-fragments.ts';

test('heldFragmentCounters() names what became of fragments, not how many wait', (t) => {
  const stats = { held: 9, released: 1, expired: 2, refused: 3, failed: 4 };
  t.deepEqual(heldFragmentCounters(stats), [
    ['fragment_released', 1n],
    ['drop_fragment_expired', 2n],
    ['drop_fragment_refused', 3n],
    ['drop_fragment_failed', 4n],
  ]);
});
