import test from 'ava';
import { addressBytes, encodeStruct, openDataplane } from '../support/dataplane-fixture.ts';
import { tcp, udp } from '../support/packet.ts';

const dataplane = openDataplane();

test.beforeEach(() => {
  dataplane.reset();
  const vipFields = { acl: 5 };
  for (const [index, vip, backend] of [
    [1, '192.0.2.10', '10.1.0.1'],
    [2, '2001:db8::10', 'fd01::1'],
  ] as const) {
    dataplane.server({ index, vip, port: 80, protocol: 'tcp', ring: [index], vipFields });
    dataplane.backend({ index, address: backend, port: 80, server: index });
  }
  dataplane.server({ index: 3, vip: '192.0.2.10', port: 53, protocol: 'udp', ring: [3] });
  dataplane.backend({ index: 3, address: '10.1.0.3', port: 53, server: 3 });
});

/** `length` as written: of an IPv4 prefix from 0 to 32. */
function admit(acl: number, address: string, length: number): void {
  const bits = address.includes(':') ? length : length + 96;
  const key = encodeStruct('tg_acl_key', {
    prefix_length: 32 + bits,
    acl,
    addr: addressBytes(address),
  });
  dataplane.map('acl').update(key, new Uint8Array([1]));
}

function connect(from: string, flags = 'S'): string {
  const to = from.startsWith('[') ? '[2001:db8::10]:80' : '192.0.2.10:80';
  return dataplane.send(tcp({ from, to, flags })).verdict;
}

test.serial('only clients within the ranges get a new flow', (t) => {
  admit(5, '198.51.100.0', 24);
  admit(5, '203.0.113.9', 32);
  admit(5, '2001:db8:1::', 48);
  const verdicts = {
    '198.51.100.1:1000': 'tx',
    '198.51.100.255:1000': 'tx',
    '198.51.101.1:1000': 'drop',
    '203.0.113.9:1000': 'tx',
    '203.0.113.8:1000': 'drop',
    '[2001:db8:1:ffff::9]:1000': 'tx',
    '[2001:db8:2::9]:1000': 'drop',
  };
  for (const [from, verdict] of Object.entries(verdicts)) t.is(connect(from), verdict, from);
  t.is(dataplane.counters()['drop_source_range'], 3);
});

test.serial('an empty list admits nobody, another list says nothing, no list admits all', (t) => {
  admit(6, '0.0.0.0', 0);
  t.is(connect('198.51.100.1:1000'), 'drop');
  const query = udp({ from: '198.51.100.1:1000', to: '192.0.2.10:53', payload: 'query' });
  t.is(dataplane.send(query).verdict, 'tx');
});

test.serial('a list of length 0 admits everybody', (t) => {
  admit(5, '0.0.0.0', 0);
  t.is(connect('198.51.100.1:1000'), 'tx');
});
