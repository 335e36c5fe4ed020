import test from 'ava';
import {
  LOCAL_CLIENTS_TABLE,
  LocalClients,
  localClientsRule,
} from '../../../src/forwarder/local-clients/local-clients.ts';
import { followNetwork } from '../../../src/forwarder/network.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { fakeRtnetlink, link, route, settle } from '../../support/fake-rtnetlink.ts';
import { address } from '../../support/objects.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { fakeNetworkConfig } from './fake-network-config.ts';

const V4 = address('192.0.2.100');
const V6 = address('2001:db8::100');

async function bench(config = fakeNetworkConfig()) {
  const kernel = fakeRtnetlink();
  const clock = fakeClock();
  const log = recordingLog();
  const network = await followNetwork({ open: kernel.open, clock, log });
  const features: string[] = [];
  const state = { serving: true, mtu: 1500 as number | undefined };
  const clients = new LocalClients({
    network,
    openConfig: () => config,
    setFeature: (name, feature, on) => features.push(`${name} ${feature} ${on ? 'on' : 'off'}`),
    isServing: () => state.serving,
    mtu: () => state.mtu,
    clock,
    log,
  });
  await settle();
  return { kernel, clock, log, config, features, state, clients };
}

test('the pair is made without address, ARP and offloads, and left alone the next time', async (t) => {
  const { config, features, clients } = await bench();
  t.deepEqual(config.done, [
    'add tidegate0 tidegate1',
    'change 11 {"ipv6Addresses":"none"}',
    'change 11 {"mtu":1500,"usesArp":false,"isUp":true}',
    'change 12 {"ipv6Addresses":"none"}',
    'change 12 {"mtu":1500,"usesArp":false,"isUp":true}',
  ]);
  t.deepEqual(features.slice(0, 3), [
    'tidegate0 tx-checksum-ip-generic off',
    'tidegate0 tx-checksum-sctp off',
    'tidegate0 rx-gro on',
  ]);
  config.done.length = 0;
  clients.sync();
  await settle();
  t.deepEqual(config.done, []);
});

test('a VIP gets a route, and its family a rule; both go with the last VIP', async (t) => {
  const { config, clients } = await bench();
  config.done.length = 0;
  clients.setVip(V4, true);
  await settle();
  t.deepEqual(config.done.splice(0), ['rule IPv4', 'route 192.0.2.100 dev 11 table 7464']);
  clients.setVip(V6, true);
  await settle();
  t.deepEqual(config.done.splice(0), ['rule IPv6', 'route 2001:db8::100 dev 11 table 7464']);
  clients.setVip(V4, true);
  clients.setVip(V6, false);
  await settle();
  t.deepEqual(config.done.splice(0), ['unrule IPv6', 'unroute 2001:db8::100']);
  t.deepEqual(config.allRules, [localClientsRule(4)]);
});

test('while nothing carries the program, VIPs are routed like any other address', async (t) => {
  const { config, state, clients } = await bench();
  state.serving = false;
  clients.setVip(V4, true);
  await settle();
  t.is(config.routes.size, 0);
  state.serving = true;
  clients.sync();
  await settle();
  t.is(config.routes.size, 1);
});

test('what an earlier run left is adopted, and what nobody wants any more removed', async (t) => {
  const before = fakeNetworkConfig();
  await before.addVethPair({ names: ['tidegate0', 'tidegate1'], mtu: 1500 });
  for (const ifindex of [11, 12]) await before.changeLink(ifindex, { isUp: true, usesArp: false });
  before.allRules.push(localClientsRule(4));
  before.routes.add(V4).add(address('192.0.2.7'));
  before.done.length = 0;
  const state = bench(before);
  (await state).clients.setVip(V4, true);
  await settle();
  t.false(before.done.includes('add tidegate0 tidegate1'));
  t.deepEqual([...before.routes], [V4]);
  t.is(before.allRules.length, 1);
});

test('the MTU follows the ports, down to what IPv6 needs', async (t) => {
  const { kernel, config, state } = await bench();
  const seen = async (mtu: number) => {
    state.mtu = mtu;
    kernel.tell({ kind: 'link', link: link(2, 'eth0', { mtu }), removed: false });
    await settle();
    return config.table.get('tidegate0')?.mtu;
  };
  t.is(await seen(9000), 9000);
  t.is(await seen(1000), 1280);
});

test('what another program takes away is put back', async (t) => {
  const { kernel, config, clients } = await bench();
  clients.setVip(V4, true);
  await settle();
  config.allRules.length = 0;
  kernel.tell({ kind: 'policy' });
  await settle();
  t.is(config.allRules.length, 1);
  config.routes.clear();
  kernel.tell({ kind: 'route', route: route('192.0.2.100/32'), removed: true });
  await settle();
  t.deepEqual([...config.routes], [V4]);
  await config.removeLink(11);
  config.routes.clear();
  kernel.tell({ kind: 'link', link: link(11, 'tidegate0'), removed: true });
  await settle();
  t.true(config.table.has('tidegate1'));
  t.deepEqual([...config.routes], [V4]);
});

test('a route elsewhere is none of its business', async (t) => {
  const { kernel, config, clients } = await bench();
  clients.setVip(V4, true);
  await settle();
  config.routes.clear();
  kernel.tell({ kind: 'route', route: route('10.0.0.0/8'), removed: false });
  await settle();
  t.is(config.routes.size, 0);
});

test('what the kernel refuses is said with a remedy, and tried again', async (t) => {
  const config = fakeNetworkConfig();
  config.refusal = { of: 'rule', code: 'EPERM' };
  const { clock, log, clients } = await bench(config);
  clients.setVip(V4, true);
  await settle();
  t.deepEqual(clients.problems(), [
    'Programs on this box do not reach VIPs such as 192.0.2.100: The kernel refuses to rule IPv4: ' +
      'EPERM; mend it, or set forwarder.localClients to false',
  ]);
  clock.advance(10_000);
  await settle();
  t.is(log.lines.filter(({ level }) => level === 'warn').length, 1);
  config.refusal = undefined;
  clock.advance(10_000);
  await settle();
  t.deepEqual(clients.problems(), []);
  t.is(config.routes.size, 1);
});

test("somebody else's interface of that name is left alone", async (t) => {
  const config = fakeNetworkConfig();
  config.table.set('tidegate0', link(5, 'tidegate0', { kind: 'bridge' }));
  const { clients } = await bench(config);
  t.regex(clients.problems()[0] ?? '', /"tidegate0" is not the one .*ip link del tidegate0/);
  t.deepEqual(config.done, []);
});

test('stop() leaves everything in place', async (t) => {
  const { config, clients } = await bench();
  clients.setVip(V4, true);
  await settle();
  config.done.length = 0;
  clients.stop();
  clients.setVip(V6, true);
  await settle();
  t.deepEqual(config.done, []);
  t.true(config.isClosed);
  t.is(LOCAL_CLIENTS_TABLE, 7464);
});
