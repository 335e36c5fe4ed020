import test from 'ava';
import { followNetwork, type NetworkChange } from '../../src/forwarder/network.ts';
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

async function bench() {
  const kernel = fakeRtnetlink();
  const clock = fakeClock();
  const log = recordingLog();
  kernel.neighbours.push(neighbour(2, '10.0.0.9', 9));
  const network = await followNetwork({ open: kernel.open, clock, log });
  const changes: NetworkChange[] = [];
  network.onChange((change) => changes.push(change));
  return { kernel, clock, log, network, changes };
}

test('followNetwork() has the tables when it resolves', async (t) => {
  const { network } = await bench();
  t.is(network.links.get(2)?.name, 'eth0');
  t.true(network.holdsAddress(address('10.0.0.1')));
  t.false(network.holdsAddress(address('10.0.0.9')));
  t.is(network.neighbour(2, address('10.0.0.9'))?.mac, 9 as never);
  t.is(network.neighbour(3, address('10.0.0.9')), undefined);
});

test('events change the tables before they are told', async (t) => {
  const { kernel, network, changes } = await bench();
  const told: boolean[] = [];
  network.onChange(() => told.push(network.holdsAddress(address('10.0.0.2'))));
  kernel.tell({ kind: 'address', address: interfaceAddress(2, '10.0.0.2'), removed: false });
  kernel.tell({ kind: 'address', address: interfaceAddress(2, '10.0.0.2'), removed: true });
  t.deepEqual(told, [true, false]);
  t.deepEqual(changes, [
    { kind: 'address', removed: false },
    { kind: 'address', removed: true },
  ]);
});

test('an address held by two interfaces stays while one holds it', async (t) => {
  const { kernel, network } = await bench();
  kernel.tell({ kind: 'address', address: interfaceAddress(3, '10.0.0.1'), removed: false });
  kernel.tell({ kind: 'address', address: interfaceAddress(2, '10.0.0.1'), removed: true });
  t.true(network.holdsAddress(address('10.0.0.1')));
});

test('a link event that changes nothing of interest is not told', async (t) => {
  const { kernel, changes } = await bench();
  kernel.tell({ kind: 'link', link: link(2, 'eth0', { xdp: 'native' }), removed: false });
  t.deepEqual(changes, []);
  kernel.tell({ kind: 'link', link: link(2, 'eth0', { mtu: 9000 }), removed: false });
  t.deepEqual(changes, [{ kind: 'link' }]);
});

test('routes, rules and next hop objects are told with what they can change', async (t) => {
  const { kernel, changes } = await bench();
  const changed = route('10.2.0.0/16');
  kernel.tell({ kind: 'route', route: changed, removed: true });
  kernel.tell({ kind: 'policy' });
  t.deepEqual(changes, [
    { kind: 'route', destination: changed.destination },
    { kind: 'route', destination: undefined },
  ]);
});

test('lost events have everything read anew; events meanwhile are newer than what is read', async (t) => {
  const { kernel, network, changes } = await bench();
  kernel.links.push(link(3, 'eth1'));
  kernel.neighbours.splice(0, 1, neighbour(2, '10.0.0.7', 7), neighbour(2, '10.0.0.8', 8));
  kernel.tell({ kind: 'lost' });
  kernel.tell({ kind: 'neighbour', neighbour: neighbour(2, '10.0.0.8', 88), removed: false });
  kernel.tell({ kind: 'link', link: link(3, 'eth1'), removed: true });
  await settle();
  t.is(network.links.has(3), false);
  t.is(network.neighbour(2, address('10.0.0.9')), undefined);
  t.is(network.neighbour(2, address('10.0.0.7'))?.mac, 7 as never);
  t.is(network.neighbour(2, address('10.0.0.8'))?.mac, 88 as never);
  t.deepEqual(changes.at(-1), { kind: 'all' });
});

test('a reading that fails is tried again, and the old tables stay', async (t) => {
  const { kernel, clock, log, network, changes } = await bench();
  kernel.dumpFailure = 'ENOMEM';
  kernel.tell({ kind: 'lost' });
  await settle();
  t.is(log.lines.filter(({ level }) => level === 'error').length, 1);
  t.is(network.links.get(2)?.name, 'eth0');
  kernel.dumpFailure = undefined;
  clock.advance(1000);
  await settle();
  t.deepEqual(changes.at(-1), { kind: 'all' });
});

test('followNetwork() rejects when the tables cannot be read', async (t) => {
  const kernel = fakeRtnetlink();
  kernel.dumpFailure = 'EPERM';
  const parts = { open: kernel.open, clock: fakeClock(), log: recordingLog() };
  await t.throwsAsync(followNetwork(parts), { message: 'EPERM' });
});
