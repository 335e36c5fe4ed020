import test from 'ava';
import { formatAddress } from '../../../src/domain/address.ts';
import { type Prefix, parsePrefix } from '../../../src/domain/prefix.ts';
import { dataplaneLayout, decode } from '../../../src/forwarder/xdp/abi.ts';
import { type FlowFilter, listFlows } from '../../../src/forwarder/xdp/flow-list.ts';
import { dataplaneAbi, searchFlows } from '../../../src/system/bpf.ts';
import {
  addressBytes,
  be16,
  encodeStruct,
  NAT_V4,
  openDataplane,
  u32,
} from '../../support/dataplane-fixture.ts';
import { address } from '../../support/objects.ts';

/** The search in the addon, over a table that the test writes. */
const dataplane = openDataplane({ flows: 64, reverse: 128 });
const layout = dataplaneLayout(dataplaneAbi());
const ESTABLISHED = layout.constant('TG_FLOW_ESTABLISHED');
const VIPS = ['192.0.2.1', '192.0.2.2', '2001:db8::1'];
const IDLE_SEC = 10;
const nowSec = () => Number(process.hrtime.bigint() / 1_000_000_000n);

test.beforeEach(() => {
  dataplane.reset();
  for (const [i, vip] of VIPS.entries()) {
    const index = i + 1;
    dataplane.backend({ index, address: `10.0.0.${index}`, port: 8080 + i, server: index });
    dataplane.server({ index, vip, port: 80 + i, protocol: 'tcp', ring: [index] });
  }
});

/** Writes entries with gaps between them: of client n, with backend n. */
function tableOf(...entries: readonly Parameters<typeof encodeStruct>[1][]) {
  const memory = new Uint8Array(dataplane.map('flows').mapped());
  for (const [i, fields] of entries.entries()) {
    const bytes = encodeStruct('tg_flow', {
      client: addressBytes(`203.0.113.${i + 1}`),
      client_port: be16(50_000),
      nat_port: be16(10_001),
      backend: i + 1,
      last_s: nowSec() - IDLE_SEC,
      proto: 6,
      ...fields,
    });
    memory.set(bytes, i * 3 * 64);
  }
  const endsOf = (backend: number, nat: number) => {
    const record = decode(
      layout.backend,
      dataplane.map('backends').lookup(u32(backend)) as Uint8Array,
    );
    const server = decode(
      layout.server,
      dataplane.map('servers').lookup(u32(record.server)) as Uint8Array,
    );
    return nat === 0 && backend < 10
      ? { vip: server, backend: record, natAddress: address(NAT_V4) }
      : undefined;
  };
  const search = (wanted: Parameters<typeof searchFlows>[1]) =>
    searchFlows(dataplane.object, wanted);
  return (filter: FlowFilter = {}, limit = 10) =>
    listFlows({ search, layout, endsOf, nowSec }, filter, limit);
}

const prefix = (text: string) => parsePrefix(text) as Prefix;
const live = { tag: 0x1234, state: ESTABLISHED };

test.serial('listFlows() tells both ends, NAT address, state and idle time', async (t) => {
  const confirmed = layout.constant('TG_FLOW_CONFIRMED');
  const { flows, truncated, counts } = await tableOf({ ...live, flags: confirmed })();
  t.false(truncated);
  t.is(counts.established, 1);
  const [{ idleSec, ...flow }] = flows as [(typeof flows)[number]];
  t.true(idleSec === IDLE_SEC || idleSec === IDLE_SEC + 1);
  t.deepEqual(flow, {
    protocol: 'TCP',
    client: address('203.0.113.1'),
    clientPort: 50_000,
    vip: address('192.0.2.1'),
    vipPort: 80,
    backend: address('10.0.0.1'),
    backendPort: 8080,
    natAddress: address(NAT_V4),
    natPort: 10_001,
    state: 'established',
    confirmed: true,
    proxied: false,
  });
});

test.serial('listFlows() leaves out free, claimed and swept entries', async (t) => {
  const none = await tableOf(
    { tag: 0, state: ESTABLISHED },
    { tag: 1, state: ESTABLISHED },
    { tag: 0x1234, state: layout.constant('TG_FLOW_CLAIMED') },
  )();
  t.deepEqual(none.flows, []);
  t.is(none.counts.established, 0);
});

const closing = layout.constant('TG_FLOW_CLOSING');
const WHO: readonly (readonly [string, FlowFilter, readonly number[]])[] = [
  ['nothing', {}, [1, 2, 3]],
  ['a VIP', { vip: address('192.0.2.2') }, [2]],
  ['a VIP of IPv6', { vip: address('2001:db8::1') }, [3]],
  ['a port of a VIP', { vip: address('192.0.2.1'), vipPort: 80 }, [1]],
  ['another port of a VIP', { vip: address('192.0.2.1'), vipPort: 81 }, []],
  ['a backend', { backend: address('10.0.0.3') }, [3]],
  ['a port of a backend', { backend: address('10.0.0.3'), backendPort: 8082 }, [3]],
  ['another port of a backend', { backend: address('10.0.0.3'), backendPort: 8080 }, []],
  ['a client', { client: prefix('203.0.113.2/32') }, [2]],
  ['a prefix of clients', { client: prefix('203.0.113.2/31') }, [2, 3]],
  ['all of IPv4', { client: prefix('0.0.0.0/0') }, [1, 2, 3]],
  ['all of IPv6', { client: prefix('::/0') }, []],
  ['a protocol', { protocol: 'UDP' }, []],
  ['a state', { state: 'closing' }, [2]],
  ['idle for longer', { idleMoreThanSec: 100 }, [3]],
  ['idle at all', { idleMoreThanSec: 0 }, [1, 2, 3]],
];

for (const [what, filter, clients] of WHO) {
  test.serial(`listFlows() filters by ${what}`, async (t) => {
    const list = tableOf(live, { ...live, state: closing }, { ...live, last_s: nowSec() - 500 });
    const { flows } = await list(filter);
    t.deepEqual(
      flows.map(({ client }) => formatAddress(client)),
      clients.map((number) => `203.0.113.${number}`),
    );
  });
}

test.serial('listFlows() counts all that match by state, whatever the limit', async (t) => {
  const list = tableOf(live, { ...live, state: closing }, live);
  const counts = {
    'half-open': 0,
    established: 2,
    closing: 1,
    'time-wait': 0,
    udp: 0,
    'udp-stream': 0,
  };
  t.deepEqual(await list({}, 0), { flows: [], truncated: true, counts });
  t.is((await list({}, 2)).flows.length, 2);
  t.true((await list({}, 2)).truncated);
  t.false((await list({}, 3)).truncated);
});
