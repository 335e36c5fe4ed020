import test from 'ava';
import { dataplaneLayout } from '../../../src/forwarder/xdp/abi.ts';
import { createStatistics, indexKey, readCounters } from '../../../src/forwarder/xdp/statistics.ts';
import { type BpfMap, dataplaneAbi } from '../../../src/system/bpf.ts';
import { encodeStruct } from '../../support/dataplane-fixture.ts';
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
  });
  statistics.reset(3);
  t.is(statistics.read(3).newFlows, 0n);
  t.is(statistics.read(99).newFlows, 0n);
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
