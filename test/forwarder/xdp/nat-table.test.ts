import test from 'ava';
import { INDEX_GRACE_MS } from '../../../src/forwarder/xdp/index-pool.ts';
import { NAT_GROUP_MAX, NatTable } from '../../../src/forwarder/xdp/nat-table.ts';
import { sharedArray } from '../../../src/forwarder/xdp/shared-array.ts';
import type { BpfMap } from '../../../src/system/bpf.ts';
import { layout } from '../../support/dataplane-bench.ts';
import { fakeBpf } from '../../support/fake-bpf.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { address } from '../../support/objects.ts';
import { recordingLog } from '../../support/recording-log.ts';

const [A, B, C] = [address('10.0.0.1'), address('10.0.0.2'), address('10.0.0.3')];
const V6 = address('fd00::41');

function setUp(natAddresses = 4) {
  const map = fakeBpf({ natAddresses }).object.maps['nat_addresses'] as BpfMap;
  const array = sharedArray(map, layout.natAddress);
  const clock = fakeClock();
  const log = recordingLog();
  const filters: bigint[] = [];
  const start = () =>
    new NatTable({ array, clock, log, setFilter: (filter) => void filters.push(filter) });
  const idle = () => new Uint32Array(natAddresses);
  return { array, clock, log, filters, start, table: start(), idle };
}

test('take() shares a group among equal lists, in their order', (t) => {
  const { table } = setUp();
  const group = table.take([A, B]);
  t.like(group, { first: 0, count: 2 });
  t.is(table.take([A, B]), group);
  t.like(table.take([B, A]), { first: 2, count: 2 });
  t.deepEqual(
    [0, 1, 2, 3].map((place) => table.addressOf(place)),
    [A, B, B, A],
  );
  t.deepEqual(table.usage(), { used: 4, limit: 4 });
});

test('the filter has a bit for each last byte, before the address is handed out, and loses it late', (t) => {
  const { table, filters, clock, idle } = setUp();
  const first = table.take([A, V6]);
  t.deepEqual(filters, [(1n << 1n) | (1n << 1n)]);
  table.take([B]);
  t.is(filters.at(-1), (1n << 1n) | (1n << 2n));
  table.take([B]);
  t.is(filters.length, 2, 'nothing new');
  table.release(first as never);
  t.is(filters.length, 2, 'flows still hold them');
  clock.advance(INDEX_GRACE_MS);
  table.sweep(clock.monotonicMs(), idle());
  t.is(filters.at(-1), 1n << 2n);
});

test('sweep() frees a group only after its grace, without users and without flows of any place', (t) => {
  const { table, clock, idle } = setUp();
  const group = table.take([A, B]) as never;
  table.take([A, B]);
  const sweep = (flows = idle()) => table.sweep(clock.monotonicMs(), flows);
  table.release(group);
  clock.advance(INDEX_GRACE_MS);
  sweep();
  t.is(table.usage().used, 2, 'one backend has it yet');
  table.release(group);
  sweep();
  t.is(table.usage().used, 2, 'too soon');
  clock.advance(INDEX_GRACE_MS);
  sweep(Uint32Array.of(0, 1, 0, 0));
  t.is(table.addressOf(1), B, 'a flow holds one of them');
  sweep();
  t.deepEqual(table.usage(), { used: 0, limit: 4 });
  t.is(table.addressOf(1), 0n as never);
});

test('a full table refuses, says so once, and has room again after a sweep', (t) => {
  const { table, clock, log, idle } = setUp();
  const group = table.take([A, B, C]) as never;
  t.is(table.take([B, C]), undefined);
  t.is(table.take([C, B]), undefined);
  t.is(log.lines.length, 1);
  t.regex(log.lines[0]?.message ?? '', /forwarder\.natAddresses/);
  t.like(table.take([C]), { first: 3 }, 'what fits is taken');
  table.release(group);
  clock.advance(INDEX_GRACE_MS);
  t.true(table.sweep(clock.monotonicMs(), idle()), 'there is room for what had none');
  t.like(table.take([B, C]), { first: 0, count: 2 });
  t.false(table.sweep(clock.monotonicMs(), idle()));
});

test('a group has no more addresses than a backend can count', (t) => {
  const { table } = setUp(256);
  const many = Array.from({ length: 256 }, (_, i) => (A + BigInt(i)) as typeof A);
  t.is(table.take(many), undefined);
  t.like(table.take(many.slice(1)), { first: 0, count: NAT_GROUP_MAX });
});

test('adopt() counts users, shares groups on, and keeps former addresses until flows are gone', (t) => {
  const { table, start, filters, clock, idle } = setUp(8);
  const kept = table.take([A, B]) as never;
  const left = table.take([C]) as never;
  table.release(left);
  const again = start();
  filters.length = 0;
  again.adopt([kept, kept]);
  t.deepEqual(filters, [(1n << 1n) | (1n << 2n) | (1n << 3n)], 'in one step, and whole');
  t.like(again.take([A, B]), { first: 0, count: 2 });
  t.like(again.take([V6]), { first: 3 }, 'not over the address that flows hold');
  clock.advance(INDEX_GRACE_MS);
  again.sweep(clock.monotonicMs(), Uint32Array.of(0, 0, 5, 0, 0, 0, 0, 0));
  t.is(again.addressOf(2), C);
  again.sweep(clock.monotonicMs(), idle().fill(0));
  t.is(again.addressOf(2), 0n as never);
  for (let i = 0; i < 3; i++) again.release(kept);
  clock.advance(INDEX_GRACE_MS);
  again.sweep(clock.monotonicMs(), new Uint32Array(8));
  t.is(again.usage().used, 1);
});
