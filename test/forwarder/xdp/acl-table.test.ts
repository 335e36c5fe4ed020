import test from 'ava';
import { formatAddress } from '../../../src/domain/address.ts';
import { type Prefix, parsePrefix } from '../../../src/domain/prefix.ts';
import { decode, encode } from '../../../src/forwarder/xdp/abi.ts';
import { AclTable } from '../../../src/forwarder/xdp/acl-table.ts';
import { INDEX_GRACE_MS } from '../../../src/forwarder/xdp/index-pool.ts';
import type { BpfMap } from '../../../src/system/bpf.ts';
import { layout } from '../../support/dataplane-bench.ts';
import { fakeBpf } from '../../support/fake-bpf.ts';
import { fakeClock } from '../../support/fake-clock.ts';

function setUp(acl = 64) {
  const { object, calls } = fakeBpf({ acl });
  const map = object.maps['acl'] as BpfMap;
  const clock = fakeClock();
  const start = () => new AclTable(map, layout, clock);
  /** What the map holds, as `id address/bits`. */
  const held = () =>
    map
      .entries()
      .map(({ key }) => decode(layout.aclKey, key))
      .map((key) => `${key.acl} ${formatAddress(key.address)}/${key.prefixLength - 32}`)
      .sort();
  return { map, calls, clock, start, table: start(), held };
}

function ranges(...texts: readonly string[]): readonly Prefix[] {
  return texts.map((text) => parsePrefix(text) as Prefix);
}

test('take() writes the prefixes of the family, IPv4 counted from 96', (t) => {
  const { table, held } = setUp();
  const list = ranges('198.51.100.0/24', '2001:db8::/32', '203.0.113.9/32');
  t.is(table.take(list, 4), 1);
  t.deepEqual(held(), ['1 198.51.100.0/120', '1 203.0.113.9/128']);
  t.is(table.take(list, 6), 2);
  t.deepEqual(held().at(-1), '2 2001:db8::/32');
  t.deepEqual(table.usage(), { lists: 2, entries: 3, limit: 64 });
});

test('take() gives 0 for no list, and an id of its own for a list without that family', (t) => {
  const { table, held } = setUp();
  t.is(table.take([], 4), 0);
  t.not(table.take(ranges('2001:db8::/32'), 4), 0);
  t.deepEqual(held(), [], 'so that nobody is found');
});

test('::/0 and 0.0.0.0/0 never admit the other family', (t) => {
  const { table, held } = setUp();
  const everybody = ranges('::/0', '0.0.0.0/0');
  t.deepEqual([table.take(everybody, 4), table.take(everybody, 6)], [1, 2]);
  t.deepEqual(held(), ['1 0.0.0.0/96', '2 ::/0']);
});

test('equal lists share an id, whatever their order and repetitions; other lists do not', (t) => {
  const { table, calls } = setUp();
  const id = table.take(ranges('198.51.100.0/24', '203.0.113.0/24'), 4);
  const writes = calls['acl'];
  t.is(table.take(ranges('203.0.113.0/24', '198.51.100.0/24', '203.0.113.0/24'), 4), id);
  t.is(calls['acl'], writes);
  t.not(table.take(ranges('198.51.100.0/24'), 4), id);
  t.not(table.take(ranges('198.51.100.0/25', '203.0.113.0/24'), 4), id);
});

test('a list goes with a sweep that began well after its last user left', (t) => {
  const { table, clock, held } = setUp();
  const list = ranges('198.51.100.0/24');
  const id = table.take(list, 4);
  table.take(list, 4);
  const sweep = () => table.sweep(clock.monotonicMs());
  table.release(id);
  clock.advance(INDEX_GRACE_MS);
  sweep();
  t.is(held().length, 1, 'somebody uses it');
  table.release(id);
  sweep();
  t.is(held().length, 1, 'a packet may be reading it');
  clock.advance(INDEX_GRACE_MS);
  sweep();
  t.deepEqual(held(), []);
  t.is(table.take(list, 4), id + 1, 'an id is not used again soon');
});

test('a list that is taken again before the sweep stays', (t) => {
  const { table, clock, held } = setUp();
  const list = ranges('198.51.100.0/24');
  const id = table.take(list, 4);
  table.release(id);
  t.is(table.take(ranges('198.51.100.0/24'), 4), id);
  clock.advance(INDEX_GRACE_MS);
  table.sweep(clock.monotonicMs());
  t.is(held().length, 1);
});

test('a full map fails with the remedy, leaves nothing behind, and what fits goes on', (t) => {
  const { table, held } = setUp(3);
  table.take(ranges('198.51.100.0/24', '203.0.113.0/24'), 4);
  const before = held();
  t.throws(() => table.take(ranges('10.0.0.0/8', '172.16.0.0/12'), 4), {
    code: 'ENOSPC',
    message: /limit of 3 entries.*raise forwarder\.limits\.sourceRanges/,
  });
  t.deepEqual(held(), before);
  t.deepEqual(table.usage(), { lists: 1, entries: 2, limit: 3 });
  table.take(ranges('10.0.0.0/8'), 4);
  t.is(held().length, 3);
});

test('adopt() shares lists on, counts their users, and removes what nobody uses', (t) => {
  const { map, table, clock, start, held } = setUp();
  const list = ranges('198.51.100.0/24', '203.0.113.0/24');
  const used = table.take(list, 4);
  const nobody = table.take(ranges('2001:db8::/32'), 4);
  // A process that died while it wrote the same list for another Service.
  const entry = { prefixLength: 32 + 120, address: list[0]?.base as Prefix['base'], acl: 9 };
  map.update(encode(layout.aclKey, entry), new Uint8Array([1]));
  const again = start();
  again.adopt([
    { id: used, family: 4 },
    { id: used, family: 4 },
    { id: nobody, family: 4 },
    { id: 0, family: 6 },
  ]);
  t.is(again.take([...list].reverse(), 4), used);
  t.is(again.take(ranges('2001:db8:1::/48'), 4), nobody, 'empty lists are equal, too');
  t.is(again.take(ranges('198.51.100.0/24'), 4), 10, 'what is half a list is not taken for one');
  clock.advance(INDEX_GRACE_MS);
  again.sweep(clock.monotonicMs());
  t.false(held().some((text) => text.startsWith('9 ')));
  for (let i = 0; i < 3; i++) again.release(used);
  clock.advance(INDEX_GRACE_MS);
  again.sweep(clock.monotonicMs());
  t.deepEqual(held(), ['10 198.51.100.0/120']);
});
