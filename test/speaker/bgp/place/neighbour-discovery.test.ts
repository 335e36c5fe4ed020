import { fileURLToPath } from 'node:url';
import test from 'ava';
import { createLab } from '../../../../lab/lab.ts';
import { formatAddress } from '../../../../src/domain/address.ts';
import type { Mac } from '../../../../src/domain/mac.ts';
import { ETHERTYPE_IPV6, encodeEthernet } from '../../../../src/protocol/ethernet.ts';
import { ALL_NODES, multicastMac } from '../../../../src/protocol/ndp.ts';
import { encodeRouterMessage } from '../../../../src/protocol/router-discovery.ts';
import { discoverNeighbour } from '../../../../src/speaker/bgp/place/neighbour-discovery.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { fakeRtnetlink, interfaceAddress, link, settle } from '../../../support/fake-rtnetlink.ts';
import { address } from '../../../support/objects.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import { fakeWire } from '../../fake-wire.ts';

const PROGRAM = fileURLToPath(new URL('./discovery-program.ts', import.meta.url));

/** A box with an interface as the test says, and a discovery on "eth0". */
function box() {
  const kernel = fakeRtnetlink();
  const wire = fakeWire();
  const clock = fakeClock();
  const told: string[] = [];
  const start = () =>
    discoverNeighbour(
      { openRtnetlink: kernel.open, wire, clock, log: recordingLog(), random: () => 0 },
      'eth0',
      (router, obstacle) => told.push(router === undefined ? obstacle : formatAddress(router)),
    );
  const set = async (fields: Parameters<typeof link>[2], ...addresses: string[]) => {
    kernel.links.splice(0, 9, link(2, 'eth0', fields));
    kernel.addresses.splice(0, 9, ...addresses.map((text) => interfaceAddress(2, text)));
    kernel.tell({ kind: 'link', link: link(2, 'eth0', fields), removed: false });
    await settle();
  };
  const advertise = (source: string, ifindex = 2) =>
    wire.receive(
      ifindex,
      ETHERTYPE_IPV6,
      encodeEthernet({
        destination: multicastMac(ALL_NODES),
        source: 0x0200_0000_0099 as Mac,
        vlan: undefined,
        etherType: ETHERTYPE_IPV6,
        payload: encodeRouterMessage({
          kind: 'advertisement',
          source: address(source),
          destination: ALL_NODES,
          lifetimeSec: 0,
          sourceMac: undefined,
        }),
      }),
    );
  return { kernel, wire, clock, told, start, set, advertise };
}

const NOBODY = 'No router advertises itself on "eth0"';
const NO_ADDRESS = 'Interface "eth0" has no IPv6 link-local address that can be used';

test('an interface is used once it is there, up, linked and addressed; each lack is said', async (t) => {
  const { kernel, told, start, set, advertise, wire } = box();
  kernel.links.splice(0);
  start();
  await settle();
  await set({ mac: undefined });
  await set({ isUp: false });
  await set({ isRunning: false });
  await set({}, '192.0.2.1', '2001:db8::1');
  t.deepEqual(told.splice(0), [
    'There is no interface "eth0" on this box',
    'Interface "eth0" is not Ethernet: no router can be found on it',
    'Interface "eth0" is down',
    'Interface "eth0" has no link',
    NO_ADDRESS,
  ]);
  await set({}, 'fe80::1');
  t.deepEqual(wire.open(), [`2 ${ETHERTYPE_IPV6}`]);
  advertise('fe80::2');
  t.deepEqual(told, [NOBODY, 'fe80::2']);
});

test('a router is gone with the interface, and looked for anew when that is back', async (t) => {
  const { told, start, set, advertise, wire } = box();
  start();
  await settle();
  await set({}, 'fe80::1');
  advertise('fe80::2');
  await set({ mtu: 9000 }, 'fe80::1', '192.0.2.7');
  t.deepEqual(told.splice(0), [NO_ADDRESS, NOBODY, 'fe80::2'], 'other changes disturb nothing');
  await set({ isRunning: false }, 'fe80::1');
  t.deepEqual(wire.open(), []);
  await set({}, 'fe80::1');
  advertise('fe80::2');
  await set({ mac: 0x0200_0000_0042 as Mac }, 'fe80::1');
  advertise('fe80::3');
  t.deepEqual(told, ['Interface "eth0" has no link', NOBODY, 'fe80::2', NOBODY, 'fe80::3']);
});

test('an address that is usable late is waited for', async (t) => {
  const { kernel, told, start } = box();
  const own = interfaceAddress(2, 'fe80::1');
  kernel.addresses.splice(0, 9, { ...own, isUsable: false });
  start();
  await settle();
  kernel.addresses.splice(0, 9, own);
  kernel.tell({ kind: 'address', address: own, removed: false });
  await settle();
  t.deepEqual(told, [NO_ADDRESS, NOBODY]);
});

test('what the kernel refuses is said and tried again', async (t) => {
  const { kernel, told, start, set, wire, clock } = box();
  kernel.dumpFailure = 'no memory';
  start();
  await settle();
  kernel.dumpFailure = undefined;
  wire.fail('open', 'EPERM');
  await set({}, 'fe80::1');
  wire.fail('open', undefined);
  clock.advance(10_000);
  await settle();
  t.deepEqual(told, [
    'Cannot look for a router on "eth0": no memory',
    'Cannot look for a router on "eth0": Cannot open: EPERM',
    NOBODY,
  ]);
});

test('nothing is told after close()', async (t) => {
  const { told, start, set, advertise, wire } = box();
  start().close();
  await settle();
  const discovery = start();
  await settle();
  await set({}, 'fe80::1');
  told.splice(0);
  discovery.close();
  discovery.close();
  advertise('fe80::2');
  await set({ isUp: false });
  t.deepEqual(told, []);
  t.deepEqual(wire.open(), []);
});

test('two boxes on a cable find each other, and hosts stay as they are', async (t) => {
  const lab = createLab();
  t.teardown(lab.remove);
  const [left, right] = [lab.host('left'), lab.host('right', 'forwards')];
  lab.cable({ host: left, name: 'eth0' }, { host: right, name: 'eth0' });
  // The left one is a host as well, which believes routers.
  left.sysctl({ 'ipv6/conf/eth0/accept_ra': 2 });
  const routes = () => left.run(['ip', '-6', 'route', 'show', 'table', 'all']);
  const before = routes();
  const linkLocal = (host: typeof left) =>
    /inet6 (fe80::[0-9a-f:]+)/.exec(host.run(['ip', 'addr', 'show', 'dev', 'eth0']))?.[1] ?? '';
  const told = (host: typeof left) => host.start([process.execPath, PROGRAM, 'eth0']);
  const [first, second] = [told(left), told(right)];
  await Promise.all([
    first.prints(new RegExp(`^${linkLocal(right)}$`, 'm'), 10_000),
    second.prints(new RegExp(`^${linkLocal(left)}$`, 'm'), 10_000),
  ]);
  t.is(routes(), before);
  right.ip('link set eth0 down');
  await first.prints(/has no link\n/, 5_000);
  await second.prints(/is down\n/, 5_000);
  right.ip('link set eth0 address 02:00:00:00:00:77', 'link set eth0 up');
  await first.prints(/^fe80::ff:fe00:77$/m, 10_000);
  t.is(await first.stop(), 0);
  t.is(await second.stop(), 0);
});
