import test from 'ava';
import { type Address, formatAddress } from '../../src/domain/address.ts';
import { followNetwork } from '../../src/forwarder/network.ts';
import { KernelNextHops } from '../../src/forwarder/next-hops.ts';
import { fakeClock } from '../support/fake-clock.ts';
import {
  fakeRtnetlink,
  interfaceAddress,
  link,
  neighbour,
  route,
  settle,
} from '../support/fake-rtnetlink.ts';
import { address } from '../support/objects.ts';
import { recordingLog } from '../support/recording-log.ts';

const POD = '10.244.1.5';
const NODE = '10.0.0.11';

async function bench(natAddresses: readonly string[] = []) {
  const kernel = fakeRtnetlink();
  const clock = fakeClock();
  const changed: string[][] = [];
  const ports = new Set([2]);
  kernel.routes.set(POD, route(`${POD}/32`, { gateway: address(NODE) }));
  kernel.routes.set(NODE, route(`${NODE}/32`));
  const network = await followNetwork({ open: kernel.open, clock, log: recordingLog() });
  const nextHops = new KernelNextHops({
    network,
    clock,
    log: recordingLog(),
    probeMs: 400,
    openProbeWire: () => ({ ask: () => false, close: () => undefined }),
    natAddresses: natAddresses.map(address),
    isPort: (ifindex) => ports.has(ifindex),
    onChange: (addresses) => changed.push(addresses.map((each: Address) => formatAddress(each))),
  });
  const resolve = (mac: number | undefined, state: 'fresh' | 'failed' | 'stale' = 'fresh') =>
    kernel.tell({ kind: 'neighbour', neighbour: neighbour(2, NODE, mac, state), removed: false });
  return { kernel, clock, changed, ports, nextHops, resolve };
}

function reasonOf(nextHops: KernelNextHops, text: string): string {
  const hop = nextHops.get(address(text));
  return hop.state === 'unreachable' ? hop.reason : hop.state;
}

test("an address behind a gateway takes the gateway's MAC, once the kernel has it", async (t) => {
  const { kernel, changed, nextHops, resolve } = await bench();
  nextHops.follow(address(POD));
  await settle();
  t.is(nextHops.get(address(POD)).state, 'pending');
  t.deepEqual(kernel.used, [`2 ${NODE}`]);
  resolve(0x11);
  t.deepEqual(nextHops.get(address(POD)), {
    state: 'resolved',
    ifindex: 2,
    vlans: [],
    destinationMac: 0x11 as never,
    sourceMac: 0x0200_0000_0002 as never,
    sources: [address('10.0.0.1')],
    mtu: 1500,
  });
  await settle();
  t.deepEqual(changed, [[POD]]);
});

test('a changed MAC is told for everybody behind it, together', async (t) => {
  const { changed, nextHops, resolve } = await bench();
  nextHops.follow(address(POD));
  nextHops.follow(address(NODE));
  await settle();
  resolve(0x11);
  await settle();
  resolve(0x22);
  await settle();
  t.deepEqual(changed, [
    [POD, NODE],
    [POD, NODE],
  ]);
  t.like(nextHops.get(address(POD)), { destinationMac: 0x22 });
});

test('a route change asks only for the addresses it can concern', async (t) => {
  const { kernel, nextHops, resolve } = await bench();
  nextHops.follow(address(POD));
  nextHops.follow(address(NODE));
  await settle();
  resolve(0x11);
  kernel.asked.length = 0;
  kernel.tell({ kind: 'route', route: route('10.244.0.0/16'), removed: false });
  await settle();
  t.deepEqual(kernel.asked, [POD]);
  for (const one of [NODE, '192.0.2.1']) {
    kernel.tell({ kind: 'route', route: route(`${one}/32`), removed: false });
  }
  await settle();
  t.deepEqual(kernel.asked, [POD, NODE]);
  kernel.tell({ kind: 'policy' });
  await settle();
  t.deepEqual(kernel.asked, [POD, NODE, POD, NODE]);
});

test('a new gateway that is not resolved yet is pending, not unreachable', async (t) => {
  const { kernel, nextHops, resolve } = await bench();
  nextHops.follow(address(POD));
  await settle();
  resolve(0x11);
  kernel.routes.set(POD, route(`${POD}/32`, { gateway: address('10.0.0.12') }));
  kernel.tell({ kind: 'route', route: route('10.244.1.0/24'), removed: false });
  await settle();
  t.is(nextHops.get(address(POD)).state, 'pending');
  t.deepEqual(kernel.used, [`2 ${NODE}`, '2 10.0.0.12']);
});

test('why an address cannot be reached is said in words', async (t) => {
  const { kernel, ports, nextHops, resolve } = await bench();
  kernel.routes.set('10.0.0.1', route('10.0.0.1/32', { kind: 'local' }));
  kernel.routes.set('10.9.0.1', route('10.9.0.1/32', { kind: 'blackhole' }));
  kernel.routes.set('10.8.0.1', route('10.8.0.1/32', { ifindex: 3 }));
  kernel.routes.set('10.7.0.1', route('10.7.0.1/32', { source: undefined }));
  kernel.tell({ kind: 'link', link: link(3, 'wg0'), removed: false });
  for (const text of [NODE, '10.0.0.1', '10.9.0.1', '10.8.0.1', '10.7.0.1', '10.6.0.1']) {
    nextHops.follow(address(text));
  }
  await settle();
  resolve(undefined, 'failed');
  t.is(reasonOf(nextHops, NODE), `${NODE} on eth0 does not answer ARP`);
  t.regex(reasonOf(nextHops, '10.0.0.1'), /address of this box/);
  t.is(reasonOf(nextHops, '10.9.0.1'), 'Its route is of type blackhole');
  t.regex(
    reasonOf(nextHops, '10.8.0.1'),
    /wg0, which does not carry .* add wg0 to forwarder\.interfaces/,
  );
  t.regex(reasonOf(nextHops, '10.7.0.1'), /no IPv4 address to send from; give eth0 one/);
  t.is(
    reasonOf(nextHops, '10.6.0.1'),
    'No route to it (ENETUNREACH); add one; for Pods, set forwarder.podRoutes to auto or have ' +
      'the CNI announce them',
  );
  ports.add(3);
  nextHops.portsChanged();
  t.is(nextHops.get(address('10.8.0.1')).state, 'pending');
  kernel.tell({ kind: 'link', link: link(2, 'eth0', { isUp: false }), removed: false });
  t.is(reasonOf(nextHops, NODE), 'Its interface eth0 is down');
});

test('a full neighbour table is named with its setting', async (t) => {
  const { kernel, nextHops } = await bench();
  kernel.refusal = 'ENOBUFS';
  nextHops.follow(address(NODE));
  await settle();
  t.regex(reasonOf(nextHops, NODE), /raise net\.ipv4\.neigh\.default\.gc_thresh3/);
});

test('a failed neighbour that is being asked again stays failed until it answers', async (t) => {
  const { kernel, nextHops, resolve } = await bench();
  nextHops.follow(address(NODE));
  await settle();
  resolve(0x11);
  resolve(undefined, 'failed');
  t.is(nextHops.get(address(NODE)).state, 'unreachable');
  kernel.tell({
    kind: 'neighbour',
    neighbour: neighbour(2, NODE, undefined, 'resolving'),
    removed: false,
  });
  t.is(nextHops.get(address(NODE)).state, 'unreachable');
  resolve(0x12);
  t.like(nextHops.get(address(NODE)), { destinationMac: 0x12 });
});

test('the smaller MTU of route and interface counts', async (t) => {
  const { kernel, nextHops, resolve } = await bench();
  kernel.routes.set(POD, route(`${POD}/32`, { gateway: address(NODE), mtu: 1400 }));
  nextHops.follow(address(POD));
  await settle();
  resolve(0x11);
  t.like(nextHops.get(address(POD)), { mtu: 1400 });
});

test("chosen NAT addresses of the family that the box holds replace the route's source", async (t) => {
  const chosen = ['10.0.0.22', '10.0.0.21', '10.0.0.23', '2001:db8::21'];
  const { kernel, nextHops, resolve } = await bench(chosen);
  const hold = (text: string, removed = false) =>
    kernel.tell({ kind: 'address', address: interfaceAddress(2, text), removed });
  const sources = () => {
    const hop = nextHops.get(address(POD));
    return hop.state === 'resolved' ? hop.sources.map(formatAddress) : [];
  };
  nextHops.follow(address(POD));
  await settle();
  resolve(0x11);
  t.deepEqual(sources(), ['10.0.0.1']);
  for (const text of ['10.0.0.21', '10.0.0.22', '2001:db8::21']) hold(text);
  t.deepEqual(sources(), ['10.0.0.22', '10.0.0.21']);
  hold('10.0.0.22', true);
  t.deepEqual(sources(), ['10.0.0.21']);
});

test('the loss of an address of this box is told to all who may send from it', async (t) => {
  const { kernel, changed, nextHops, resolve } = await bench();
  nextHops.follow(address(POD));
  await settle();
  resolve(0x11);
  await settle();
  changed.length = 0;
  kernel.tell({ kind: 'address', address: interfaceAddress(2, '10.0.0.1'), removed: true });
  await settle();
  t.deepEqual(changed, [[POD]]);
});

test('routes are asked for again from time to time, for changes that nobody tells of', async (t) => {
  const { kernel, clock, nextHops } = await bench();
  nextHops.follow(address(POD));
  await settle();
  kernel.asked.length = 0;
  clock.advance(60_000);
  t.deepEqual(kernel.asked, [POD]);
});

test('what is no longer followed is not kept resolved, and answers for it are ignored', async (t) => {
  const { kernel, clock, changed, nextHops, resolve } = await bench();
  nextHops.follow(address(POD));
  nextHops.unfollow(address(POD));
  await settle();
  resolve(0x11);
  kernel.used.length = 0;
  clock.advance(60_000);
  await settle();
  t.deepEqual(kernel.used, []);
  t.deepEqual(changed, []);
  t.deepEqual(nextHops.usage(), { addresses: 0, reachable: 0 });
});

test('a way through a VLAN device leaves by its parent, tagged', async (t) => {
  const { kernel, nextHops } = await bench();
  const vlan = { tpid: 0x8100, vid: 100 };
  const device = link(5, 'eth0.100', { kind: 'vlan', parent: 2, vlan, mtu: 1496 });
  kernel.tell({ kind: 'link', link: device, removed: false });
  kernel.routes.set(NODE, route(`${NODE}/32`, { ifindex: 5 }));
  nextHops.follow(address(NODE));
  await settle();
  t.deepEqual(kernel.used, [`5 ${NODE}`]);
  kernel.tell({ kind: 'neighbour', neighbour: neighbour(5, NODE, 0x11), removed: false });
  t.like(nextHops.get(address(NODE)), { state: 'resolved', ifindex: 2, vlans: [vlan], mtu: 1496 });
});

test('a link without carrier is said at once', async (t) => {
  const { kernel, nextHops, resolve } = await bench();
  nextHops.follow(address(NODE));
  await settle();
  resolve(0x11);
  kernel.tell({ kind: 'link', link: link(2, 'eth0', { isRunning: false }), removed: false });
  t.is(reasonOf(nextHops, NODE), 'Its interface eth0 has no carrier');
  kernel.tell({ kind: 'link', link: link(2, 'eth0'), removed: false });
  t.is(nextHops.get(address(NODE)).state, 'resolved');
});
