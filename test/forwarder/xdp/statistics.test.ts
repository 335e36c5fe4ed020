import test from 'ava';
import { dataplaneLayout } from '../../../src/forwarder/xdp/abi.ts';
import { createStatistics, indexKey, readCounters } from '../../../src/forwarder/xdp/statistics.ts';
import { type BpfMap, dataplaneAbi } from '../../../src/system/bpf.ts';
import { encodeStruct, openDataplane } from '../../support/dataplane-fixture.ts';
import { fakeBpf } from '../../support/fake-bpf.ts';

const layout = dataplaneLayout(dataplaneAbi());

function mapNamed(name: string): BpfMap {
  return fakeBpf().object.maps[name] as BpfMap;
}

test('read() sums what all CPUs counted, and reset() starts anew', (t) => {
  const map = mapNamed('server_stats');
  const statistics = createStatistics(map, layout);
  const one = encodeStruct('tg_stats', { new_flows: 1, in_packets: 10, in_bytes: 2n ** 40n });
  const other = encodeStruct('tg_stats', { new_flows: 2, in_packets: 20, out_bytes: 7 });
  map.update(indexKey(3), Buffer.concat([one, other]));
  t.deepEqual(statistics.read(3), {
    newFlows: 3n,
    inPackets: 30n,
    inBytes: 2n ** 40n,
    outPackets: 0n,
    outBytes: 7n,
    drops: 0n,
  });
  statistics.reset(3);
  t.is(statistics.read(3).newFlows, 0n);
  t.is(statistics.read(99).newFlows, 0n);
});

test('readAll() tells of every index what read() does, from the kernel too', (t) => {
  const dataplane = openDataplane({ flows: 64, reverse: 128, servers: 3000 });
  dataplane.reset();
  const map = dataplane.map('server_stats');
  const statistics = createStatistics(map, layout);
  const fields = {
    new_flows: 1,
    in_packets: 2,
    in_bytes: 3,
    out_packets: 4,
    out_bytes: 5,
    drops: 6,
  };
  for (const index of [1, 1024, 2999]) {
    const cpus = (map.lookup(indexKey(index)) as Uint8Array).length / layout.stats.size;
    const one = encodeStruct('tg_stats', fields);
    map.update(indexKey(index), Buffer.concat(Array.from({ length: cpus }, () => one)));
    const totalsOf = statistics.readAll(3000);
    const single = Object.entries(statistics.read(index)).map(([name, sum]) => [name, Number(sum)]);
    t.deepEqual(totalsOf(index), Object.fromEntries(single) as ReturnType<typeof totalsOf>);
    t.is(totalsOf(index).drops, 6 * cpus);
    t.is(totalsOf(index - 1).newFlows, 0);
  }
  t.is(statistics.readAll(2)(1).outBytes, statistics.readAll(3000)(1).outBytes);
  t.is(statistics.readAll(0)(1).newFlows, 0);
});

test('readCounters() names every counter of the header', (t) => {
  const map = mapNamed('counters');
  const index = layout.counters.indexOf('forwarded');
  map.update(indexKey(index), new Uint8Array(new BigUint64Array([5n, 6n]).buffer));
  const counters = readCounters(map, layout);
  t.is(counters.get('forwarded'), 11n);
  t.is(counters.get('passed'), 0n);
  t.deepEqual([...counters.keys()], [...layout.counters]);
});
