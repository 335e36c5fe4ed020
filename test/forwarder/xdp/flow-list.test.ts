import test from 'ava';
import { formatAddress } from '../../../src/domain/address.ts';
import { dataplaneLayout } from '../../../src/forwarder/xdp/abi.ts';
import { type FlowFilter, listFlows } from '../../../src/forwarder/xdp/flow-list.ts';
import { type BpfMap, dataplaneAbi } from '../../../src/system/bpf.ts';
import { addressBytes, be16, encodeStruct } from '../../support/dataplane-fixture.ts';
import { fakeBpf } from '../../support/fake-bpf.ts';
import { address } from '../../support/objects.ts';

const layout = dataplaneLayout(dataplaneAbi());
const ESTABLISHED = layout.constant('TG_FLOW_ESTABLISHED');

function tableOf(...entries: readonly Parameters<typeof encodeStruct>[1][]) {
  const map = fakeBpf({ flows: 64 }).object.maps['flows'] as BpfMap;
  for (const [i, fields] of entries.entries()) {
    const bytes = encodeStruct('tg_flow', {
      client: addressBytes(`203.0.113.${i + 1}`),
      client_port: be16(50_000),
      nat_port: be16(10_001),
      nat: 4,
      backend: i + 1,
      last_s: 90,
      proto: 6,
      ...fields,
    });
    new Uint8Array(map.mapped()).set(bytes, i * 3 * 64);
  }
  const endsOf = (backend: number, nat: number) =>
    backend < 10
      ? {
          vip: { address: address('192.0.2.1'), port: 80, protocol: 6 },
          backend: { address: address(`10.0.0.${backend}`), port: 8080 },
          natAddress: address(`10.9.0.${nat}`),
        }
      : undefined;
  const source = { map, layout, endsOf, nowSec: 100 };
  return (filter: FlowFilter = {}, limit = 10) => listFlows(source, filter, limit);
}

const live = { tag: 0x1234, state: ESTABLISHED };

test('listFlows() tells both ends, state and idle time', async (t) => {
  const { flows, truncated } = await tableOf(live)();
  t.false(truncated);
  t.deepEqual(flows, [
    {
      protocol: 'TCP',
      client: address('203.0.113.1'),
      clientPort: 50_000,
      vip: address('192.0.2.1'),
      vipPort: 80,
      backend: address('10.0.0.1'),
      backendPort: 8080,
      natAddress: address('10.9.0.4'),
      natPort: 10_001,
      state: 'established',
      idleSec: 10,
    },
  ]);
});

test('listFlows() leaves out free, claimed, swept and unknown entries', async (t) => {
  const none = await tableOf(
    { tag: 0, state: ESTABLISHED },
    { tag: 1, state: ESTABLISHED },
    { tag: 0x1234, state: layout.constant('TG_FLOW_CLAIMED') },
    { ...live, backend: 70 },
  )();
  t.deepEqual(none.flows, []);
});

test('listFlows() filters by VIP, client and backend', async (t) => {
  const list = tableOf(live, live, live);
  const clients = async (filter: FlowFilter) =>
    (await list(filter)).flows.map((flow) => formatAddress(flow.client));
  t.deepEqual(await clients({ client: address('203.0.113.2') }), ['203.0.113.2']);
  t.deepEqual(await clients({ backend: address('10.0.0.3') }), ['203.0.113.3']);
  t.is((await clients({ vip: address('192.0.2.1') })).length, 3);
  t.deepEqual(await clients({ vip: address('192.0.2.2') }), []);
});

test('listFlows() stops at the limit and says so only when there is more', async (t) => {
  const list = tableOf(live, live, live);
  t.like(await list({}, 2), { truncated: true });
  t.is((await list({}, 2)).flows.length, 2);
  t.like(await list({}, 3), { truncated: false });
});
