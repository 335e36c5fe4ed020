import test from 'ava';
import { dataplaneAbi } from '../../src/system/bpf.ts';
import { exhaustBudget } from '../support/budget.ts';
import {
  addressBytes,
  encodeStruct,
  LOOPBACK,
  NAT_V4,
  NAT_V6,
  openDataplane,
  u32,
} from '../support/dataplane-fixture.ts';
import { icmp, tcp, udp } from '../support/packet.ts';

const dataplane = openDataplane();
const { constants } = dataplaneAbi();
const VIPS = { IPv4: '192.0.2.10', IPv6: '2001:db8::10' } as const;
const OTHER_VIPS = { IPv4: '192.0.2.20', IPv6: '2001:db8::20' } as const;
const NAT = { IPv4: NAT_V4, IPv6: NAT_V6 } as const;
type Family = keyof typeof VIPS;

test.beforeEach(() => {
  dataplane.reset();
  let index = 1;
  for (const vip of [...Object.values(VIPS), ...Object.values(OTHER_VIPS)])
    for (const protocol of ['tcp', 'udp'] as const) {
      dataplane.server({ index, vip, port: 80, protocol, ring: [index] });
      const address = vip.includes(':') ? `fd01::${index}` : `10.1.0.${index}`;
      dataplane.backend({ index, address, port: 8080, server: index });
      index += 1;
    }
});

/** Who says he sent it, and as what it is counted. */
const SOURCES: ReadonlyArray<readonly [Family, string, string]> = [
  ['IPv4', '192.0.2.10', 'drop_land'],
  ['IPv4', '0.0.0.0', 'drop_martian'],
  ['IPv4', '0.1.2.3', 'drop_martian'],
  ['IPv4', '127.0.0.1', 'drop_martian'],
  ['IPv4', '169.254.1.1', 'drop_martian'],
  ['IPv4', '224.0.0.1', 'drop_martian'],
  ['IPv4', '239.255.255.255', 'drop_martian'],
  ['IPv4', '240.0.0.1', 'drop_martian'],
  ['IPv4', '255.255.255.255', 'drop_martian'],
  ['IPv4', OTHER_VIPS.IPv4, 'drop_stolen_source'],
  ['IPv4', NAT.IPv4, 'drop_stolen_source'],
  ['IPv4', '1.2.3.4', 'forwarded'],
  ['IPv4', '126.255.255.255', 'forwarded'],
  ['IPv4', '128.0.0.1', 'forwarded'],
  ['IPv4', '169.253.255.255', 'forwarded'],
  ['IPv4', '169.255.0.1', 'forwarded'],
  ['IPv4', '223.255.255.254', 'forwarded'],
  ['IPv4', '10.0.0.2', 'forwarded'],
  ['IPv6', VIPS.IPv6, 'drop_land'],
  ['IPv6', '::', 'drop_martian'],
  ['IPv6', '::1', 'drop_martian'],
  ['IPv6', 'ff02::1', 'drop_martian'],
  ['IPv6', 'fe80::1', 'drop_martian'],
  ['IPv6', 'febf::1', 'drop_martian'],
  ['IPv6', OTHER_VIPS.IPv6, 'drop_stolen_source'],
  ['IPv6', NAT.IPv6, 'drop_stolen_source'],
  ['IPv6', '::2', 'forwarded'],
  ['IPv6', 'fec0::1', 'forwarded'],
  ['IPv6', 'fe7f::1', 'forwarded'],
  ['IPv6', 'fd00::2', 'forwarded'],
];

for (const [family, source, counter] of SOURCES) {
  test.serial(`from ${source} to a VIP: ${counter}`, (t) => {
    const at = (address: string, port: number) =>
      family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
    const ends = { from: at(source, 5000), to: at(VIPS[family], 80) };
    dataplane.send(tcp({ ...ends, flags: 'S' }));
    dataplane.send(udp(ends));
    t.is(dataplane.counters()[counter], 2);
    t.is(dataplane.flows().length, counter === 'forwarded' ? 2 : 0);
  });
}

for (const [family, source, counter] of SOURCES) {
  if (counter !== 'drop_land' && counter !== 'drop_martian') continue;
  test.serial(`an echo request and a SYN over budget from ${source} are not answered`, (t) => {
    const vip = VIPS[family];
    const type = family === 'IPv6' ? 128 : 8;
    t.is(dataplane.send(icmp({ from: source, to: vip, type })).verdict, 'drop');
    exhaustBudget(dataplane);
    const [from, to] = family === 'IPv6' ? [`[${source}]`, `[${vip}]`] : [source, vip];
    const syn = tcp({ from: `${from}:5000`, to: `${to}:80`, flags: 'S' });
    t.is(dataplane.send(syn).verdict, 'drop');
    t.is(dataplane.counters()[counter], 2);
  });
}

test.serial('port 0 of a client is nobody', (t) => {
  const ends = { from: '198.51.100.7:0', to: `${VIPS.IPv4}:80` };
  t.is(dataplane.send(tcp({ ...ends, flags: 'S' })).verdict, 'drop');
  t.is(dataplane.send(udp(ends)).verdict, 'drop');
  t.deepEqual(dataplane.counters(), { drop_martian: 2 });
});

test.serial('the box itself comes with its own addresses, by its own interfaces', (t) => {
  const fields = { mtu: 1500, flags: constants['TG_INTERFACE_OWN'] ?? 0 };
  const ipv4 = addressBytes('10.0.0.9');
  dataplane
    .map('interfaces')
    .update(u32(LOOPBACK), encodeStruct('tg_interface', { ...fields, ipv4 }));
  for (const source of [NAT.IPv4, OTHER_VIPS.IPv4])
    t.is(dataplane.send(udp({ from: `${source}:5000`, to: `${VIPS.IPv4}:80` })).verdict, 'tx');
  t.is(dataplane.counters()['forwarded'], 2);
});

test.serial('what is not for a VIP is not asked where it comes from', (t) => {
  for (const from of ['127.0.0.1:1', '192.0.2.10:1', '0.0.0.0:1'])
    t.is(dataplane.send(tcp({ from, to: '192.0.2.200:80', flags: 'S' })).verdict, 'pass');
});
