import test from 'ava';
import { KeyedMap } from '../../../../src/domain/keyed-map.ts';
import type { PlannedBgpVip } from '../../../../src/plan/bgp/planned-bgp-vip.ts';
import { createVipIndex } from '../../../../src/speaker/bgp/routes/vip-index.ts';

const vip = (...prefixes: string[]) => ({ prefixes }) as Partial<PlannedBgpVip> as PlannedBgpVip;

test('vipsOf() finds the addresses that a prefix brings traffic for, as they are planned now', (t) => {
  const index = createVipIndex();
  const first = KeyedMap.from([
    ['192.0.2.7', vip('192.0.2.0/24')],
    ['192.0.2.8', vip('192.0.2.0/24', '192.0.2.8/32')],
  ]);
  index.follow(first);
  t.deepEqual([...index.vipsOf(['192.0.2.0/24'])].sort(), ['192.0.2.7', '192.0.2.8']);
  t.deepEqual([...index.vipsOf(['192.0.2.8/32', '203.0.113.0/24'])], ['192.0.2.8']);
  index.follow(first.with('192.0.2.8', vip()).without('192.0.2.7'));
  t.deepEqual([...index.vipsOf(['192.0.2.0/24', '192.0.2.8/32'])], []);
});
