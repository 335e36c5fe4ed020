import test from 'ava';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import type { Node } from '../../../src/domain/node.ts';
import { parsePrefix } from '../../../src/domain/prefix.ts';
import { followNetwork } from '../../../src/forwarder/network.ts';
import { POD_ROUTE_PROTOCOL } from '../../../src/forwarder/pod-routes/pod-route.ts';
import { PodRoutes } from '../../../src/forwarder/pod-routes/pod-routes.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { fakeRtnetlink, interfaceAddress, route, settle } from '../../support/fake-rtnetlink.ts';
import { address, node } from '../../support/objects.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { fakeNetworkConfig } from '../local-clients/fake-network-config.ts';

const KEY = (network: string, protocol = POD_ROUTE_PROTOCOL) => `${network} ${protocol}`;

function worker(number: number, network = `10.244.${number}.0/24`): Node {
  const podCIDRs = [parsePrefix(network) ?? []].flat();
  return node(`n${number}`, [`10.0.0.1${number}`], { podCIDRs });
}

const nodesOf = (...all: readonly Node[]) =>
  KeyedMap.from(all.map((each) => [each.key, each] as const));

async function start() {
  const kernel = fakeRtnetlink();
  const clock = fakeClock();
  const log = recordingLog();
  for (const number of [1, 2, 3]) {
    kernel.routes.set(`10.0.0.1${number}`, route(`10.0.0.1${number}/32`));
  }
  const network = await followNetwork({ open: kernel.open, clock, log });
  const config = fakeNetworkConfig();
  let settled = 0;
  const routes = new PodRoutes({
    network,
    openConfig: () => config,
    clock,
    log,
    onSettled: () => {
      settled += 1;
    },
  });
  let revision = 0;
  return {
    kernel,
    clock,
    log,
    config,
    routes,
    settled: () => settled,
    async set(...all: readonly Node[]) {
      revision += 1;
      routes.setNodes(nodesOf(...all), revision);
      await quiet();
    },
    async tell(network: string, removed: boolean) {
      kernel.tell({ kind: 'route', route: route(network), removed });
      clock.advance(200);
      await quiet();
    },
    /** What was done to the kernel since the last question. */
    done: () => config.done.splice(0),
  };
}

/** Answers of the fakes come over several turns. */
async function quiet() {
  for (let turns = 0; turns < 6; turns++) await settle();
}

test('PodRoutes makes routes, and does nothing for the same Nodes again', async (t) => {
  const box = await start();
  t.false(box.routes.isSettled());
  await box.set(worker(1), worker(2));
  t.deepEqual(box.done().sort(), [
    'put 10.244.1.0/24 via 10.0.0.11 dev 2',
    'put 10.244.2.0/24 via 10.0.0.12 dev 2',
  ]);
  t.is(box.settled(), 1);
  t.deepEqual(box.routes.problems(), []);
  await box.set(worker(1), worker(2));
  box.clock.advance(60_000);
  await quiet();
  t.deepEqual(box.done(), []);
  t.is(box.settled(), 1);
});

test('PodRoutes takes away the route of a Node that is gone, and of a network that changed', async (t) => {
  const box = await start();
  await box.set(worker(1), worker(2));
  box.done();
  await box.set(worker(1, '10.245.0.0/16'));
  const [first, ...later] = box.done();
  t.is(first, 'put 10.245.0.0/16 via 10.0.0.11 dev 2');
  t.deepEqual(later.sort(), ['drop 10.244.1.0/24', 'drop 10.244.2.0/24']);
});

test('PodRoutes changes the gateway in one step when the address of a Node changed', async (t) => {
  const box = await start();
  await box.set(worker(1));
  box.done();
  await box.set({ ...worker(1), internalAddresses: [address('10.0.0.13')] });
  t.deepEqual(box.done(), ['put 10.244.1.0/24 via 10.0.0.13 dev 2']);
});

test('PodRoutes takes over what an earlier process left, and removes what nobody wants', async (t) => {
  const box = await start();
  for (const network of ['10.244.1.0/24', '10.244.9.0/24']) {
    const gateway = address('10.0.0.11');
    const left = route(network, { gateway, protocol: POD_ROUTE_PROTOCOL });
    box.config.gatewayRoutes.set(KEY(network), left);
  }
  box.config.gatewayRoutes.set(KEY('10.7.0.0/24', 12), route('10.7.0.0/24', { protocol: 12 }));
  await box.set(worker(1));
  t.deepEqual(box.done(), ['put 10.244.1.0/24 via 10.0.0.11 dev 2', 'drop 10.244.9.0/24']);
  t.deepEqual([...box.config.gatewayRoutes.keys()].sort(), [
    KEY('10.244.1.0/24'),
    KEY('10.7.0.0/24', 12),
  ]);
});

test('PodRoutes puts back what somebody took away', async (t) => {
  const box = await start();
  await box.set(worker(1), worker(2));
  box.done();
  box.config.gatewayRoutes.delete(KEY('10.244.2.0/24'));
  await box.tell('10.244.2.0/24', true);
  t.deepEqual(box.done(), ['put 10.244.2.0/24 via 10.0.0.12 dev 2']);
});

test('PodRoutes looks again for routes that concern Nodes or Pods, and for no others', async (t) => {
  const box = await start();
  await box.set(worker(1));
  for (const [network, looks] of [
    ['10.244.1.0/24', true],
    ['10.244.1.64/26', true],
    ['10.0.0.0/24', true],
    ['0.0.0.0/0', true],
    ['10.244.2.0/24', false],
    ['10.9.0.0/16', false],
  ] as const) {
    box.kernel.asked.length = 0;
    await box.tell(network, false);
    t.is(box.kernel.asked.length > 0, looks, network);
  }
});

test('PodRoutes leaves the network to the route of somebody else, and takes it back', async (t) => {
  const box = await start();
  await box.set(worker(1));
  box.done();
  const foreign = route('10.244.1.0/24', { gateway: address('10.0.0.12'), protocol: 12 });
  box.kernel.matches.set('10.244.1.0', foreign);
  await box.tell('10.244.1.0/24', false);
  t.deepEqual(box.done(), ['drop 10.244.1.0/24']);
  t.regex(box.routes.problems().join(), /is left as it is: it has a route by way of 10\.0\.0\.12/);
  t.is(box.log.lines.filter(({ level }) => level === 'warn').length, 1);
  box.kernel.matches.delete('10.244.1.0');
  await box.tell('10.244.1.0/24', true);
  t.deepEqual(box.done(), ['put 10.244.1.0/24 via 10.0.0.11 dev 2']);
  t.deepEqual(box.routes.problems(), []);
});

test('PodRoutes says which Node is behind a router, and routes it once it is not', async (t) => {
  const box = await start();
  const behind = route('10.0.0.11/32', { gateway: address('10.0.0.254') });
  box.kernel.routes.set('10.0.0.11', behind);
  await box.set(worker(1));
  t.deepEqual(box.done(), []);
  t.regex(
    box.routes.problems().join(),
    /Node n1 \(10\.0\.0\.11\) is behind a router: 10\.0\.0\.254/,
  );
  box.kernel.routes.set('10.0.0.11', route('10.0.0.11/32'));
  box.kernel.tell({ kind: 'address', address: interfaceAddress(2, '10.0.0.2'), removed: false });
  box.clock.advance(200);
  await quiet();
  t.deepEqual(box.done(), ['put 10.244.1.0/24 via 10.0.0.11 dev 2']);
});

test('PodRoutes takes a route away whose network begins to hold an address of this box', async (t) => {
  const box = await start();
  await box.set(worker(1));
  box.done();
  const own = interfaceAddress(2, '10.244.1.7');
  box.kernel.tell({ kind: 'address', address: own, removed: false });
  box.clock.advance(200);
  await quiet();
  t.deepEqual(box.done(), ['drop 10.244.1.0/24']);
  t.regex(box.routes.problems().join(), /10\.244\.1\.7 of this box is in it/);
});

test('PodRoutes says what the kernel refuses, and tries again', async (t) => {
  const box = await start();
  box.config.refusal = { of: 'put', code: 'EPERM' };
  await box.set(worker(1));
  t.true(box.routes.isSettled());
  t.regex(box.routes.problems().join(), /Pod network 10\.244\.1\.0\/24 is not made: .*EPERM/);
  box.config.refusal = undefined;
  box.clock.advance(200);
  await quiet();
  t.deepEqual(box.done(), ['put 10.244.1.0/24 via 10.0.0.11 dev 2']);
  t.deepEqual(box.routes.problems(), []);
});

test('PodRoutes tells few of many problems', async (t) => {
  const box = await start();
  await box.set(...Array.from({ length: 50 }, (_, i) => worker(i + 4)));
  t.is(box.routes.problems().length, 11);
  t.regex(box.routes.problems().at(-1) ?? '', /^40 more Pod networks are not routed/);
});

test('stop() takes all of ours away, also what was left before the cluster was read', async (t) => {
  const box = await start();
  await box.set(worker(1), worker(2));
  const foreign = route('10.7.0.0/24', { protocol: 12 });
  const left = route('10.244.9.0/24', { protocol: POD_ROUTE_PROTOCOL });
  box.config.gatewayRoutes.set(KEY('10.7.0.0/24', 12), foreign);
  box.config.gatewayRoutes.set(KEY('10.244.9.0/24'), left);
  await box.routes.stop();
  await box.routes.stop();
  t.deepEqual([...box.config.gatewayRoutes.keys()], [KEY('10.7.0.0/24', 12)]);
  t.true(box.config.isClosed);
});
