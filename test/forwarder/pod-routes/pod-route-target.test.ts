import test from 'ava';
import { POD_ROUTE_PROTOCOL } from '../../../src/forwarder/pod-routes/pod-route.ts';
import {
  podRouteTarget,
  removePodRoutes,
} from '../../../src/forwarder/pod-routes/pod-route-target.ts';
import { route } from '../../support/fake-rtnetlink.ts';
import { address } from '../../support/objects.ts';
import { fakeNetworkConfig } from '../local-clients/fake-network-config.ts';

const podRoute = (network: string, gateway: string) => {
  const { destination } = route(network);
  return { destination, gateway: address(gateway), node: 'n1', ifindex: 2 };
};

test('podRouteTarget() takes routes away at the end of a pass, after what comes', async (t) => {
  const config = fakeNetworkConfig();
  const target = podRouteTarget(config);
  await target.update('10.1.0.0/24', podRoute('10.1.0.0/24', '10.0.0.1'));
  t.deepEqual([...(await target.list())], ['10.1.0.0/24']);
  await target.remove('10.1.0.0/24');
  await target.update('10.1.0.0/16', podRoute('10.1.0.0/16', '10.0.0.1'));
  await target.commit?.();
  await target.commit?.();
  t.deepEqual(config.done, [
    'put 10.1.0.0/24 via 10.0.0.1 dev 2',
    'put 10.1.0.0/16 via 10.0.0.1 dev 2',
    'drop 10.1.0.0/24',
  ]);
});

test('removePodRoutes() takes our routes of both families away, and nobody else’s', async (t) => {
  const config = fakeNetworkConfig();
  for (const [network, protocol] of [
    ['10.1.0.0/24', POD_ROUTE_PROTOCOL],
    ['fd01::/64', POD_ROUTE_PROTOCOL],
    ['10.2.0.0/24', 12],
  ] as const) {
    config.gatewayRoutes.set(`${network} ${protocol}`, route(network, { protocol }));
  }
  await removePodRoutes(() => config);
  t.deepEqual([...config.gatewayRoutes.keys()], ['10.2.0.0/24 12']);
  t.true(config.isClosed);
});
