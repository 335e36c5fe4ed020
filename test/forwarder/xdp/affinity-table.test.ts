import test from 'ava';
import { decode } from '../../../src/forwarder/xdp/abi.ts';
import {
  AffinityTable,
  affinityBackendsOf,
  NO_AFFINITY,
} from '../../../src/forwarder/xdp/affinity-table.ts';
import { endpointOf } from '../../../src/forwarder/xdp/identity.ts';
import type { BpfMap } from '../../../src/system/bpf.ts';
import { backendOf, layout, serverOf } from '../../support/dataplane-bench.ts';
import { fakeBpf } from '../../support/fake-bpf.ts';
import { address } from '../../support/objects.ts';

function setUp(affinityBackends = 8) {
  const { object, calls } = fakeBpf({ affinityBackends });
  const map = object.maps['affinity_backends'] as BpfMap;
  const held = () =>
    map
      .entries()
      .map(({ key, value }) => {
        const { server, endpoint } = decode(layout.affinityBackendKey, key);
        return [server, endpoint, value[0]];
      })
      .sort((a, b) => Number(a[0]) - Number(b[0]) || Number(a[1]) - Number(b[1]));
  const start = () => new AffinityTable(map, layout);
  return { calls, held, start, table: start() };
}

const wanted = (...entries: readonly (readonly [number, number])[]) => new Map(entries);

test("set() makes a server's entries what is wanted, and writes only differences", (t) => {
  const { table, calls, held } = setUp();
  table.set(1, wanted([100, 1], [200, 2]));
  table.set(2, wanted([100, 3]));
  const before = calls['affinity_backends'];
  table.set(1, wanted([100, 1], [200, 2]));
  table.set(3, NO_AFFINITY);
  t.is(calls['affinity_backends'], before);
  table.set(1, wanted([200, 4], [300, 5]));
  t.deepEqual(held(), [
    [1, 200, 4],
    [1, 300, 5],
    [2, 100, 3],
  ]);
  table.set(1, NO_AFFINITY);
  t.deepEqual(held(), [[2, 100, 3]]);
  t.is(table.of(1).size, 0);
});

test('set() that fails can be undone and tried again', (t) => {
  const { table, held } = setUp(2);
  table.set(1, wanted([100, 1], [200, 2]));
  const before = table.of(1);
  t.throws(() => table.set(1, wanted([200, 9], [300, 3], [400, 4])), { code: 'E2BIG' });
  table.set(1, before);
  t.deepEqual(held(), [
    [1, 100, 1],
    [1, 200, 2],
  ]);
  table.set(1, wanted([300, 3]));
  t.deepEqual(held(), [[1, 300, 3]]);
});

test('adopt() takes over what servers have, and removes what is of servers that are gone', (t) => {
  const { table, start, calls, held } = setUp();
  table.set(1, wanted([100, 1]));
  table.set(2, wanted([100, 2]));
  const again = start();
  again.adopt(new Set([1]));
  t.deepEqual(held(), [[1, 100, 1]]);
  const before = calls['affinity_backends'];
  again.set(1, wanted([100, 1]));
  t.is(calls['affinity_backends'], before);
});

test('affinityBackendsOf() names backends that take new flows, of servers with affinity', (t) => {
  const backends = [backendOf(1), backendOf(2, { use: 'draining' }), backendOf(3)];
  const placed = new Map(backends.map(({ id }, i) => [id, 10 + i]));
  t.is(affinityBackendsOf(serverOf(backends), placed).size, 0);
  t.deepEqual(
    affinityBackendsOf(serverOf(backends, { affinityTimeoutSec: 60 }), placed),
    new Map([
      [endpointOf(address('10.0.1.1')), 10],
      [endpointOf(address('10.0.1.3')), 12],
    ]),
  );
});
