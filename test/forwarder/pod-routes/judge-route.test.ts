import test from 'ava';
import { judgeRoute } from '../../../src/forwarder/pod-routes/judge-route.ts';
import {
  POD_ROUTE_PROTOCOL,
  type WantedRoute,
} from '../../../src/forwarder/pod-routes/pod-route.ts';
import type { RouteAnswer } from '../../../src/system/rtnetlink.ts';
import { route } from '../../support/fake-rtnetlink.ts';
import { address } from '../../support/objects.ts';

const WANTED: WantedRoute = {
  destination: route('10.244.1.0/24').destination,
  gateway: address('10.0.0.11'),
  node: 'n1',
};
const answer = (...args: Parameters<typeof route>): RouteAnswer => {
  return { kind: 'route', route: route(...args) };
};
const none = (code: string): RouteAnswer => ({ kind: 'none', code });
const ON_LINK = answer('10.0.0.11/32', { ifindex: 3 });
const DEFAULT = answer('0.0.0.0/0', { gateway: address('192.0.2.1'), protocol: 4 });
const by = (gateway: string | undefined, protocol = 12) =>
  answer('10.244.1.0/24', {
    gateway: gateway === undefined ? undefined : address(gateway),
    protocol,
  });

for (const [what, toPods] of [
  ['nothing leads to its Pods', none('ENETUNREACH')],
  ['the default route leads to its Pods', DEFAULT],
  ['a wider route leads to its Pods', answer('10.0.0.0/8', { protocol: 12 })],
  ['a narrower route of somebody else is there', answer('10.244.1.0/26', { protocol: 80 })],
  ['our own route leads to its Pods', by('10.0.0.11', POD_ROUTE_PROTOCOL)],
  ['our own route leads to a former Node', by('10.0.0.99', POD_ROUTE_PROTOCOL)],
  ['somebody drops what is for all Pods', none('EINVAL')],
] as const) {
  test(`judgeRoute() makes the route to a Node on the link when ${what}`, (t) => {
    t.deepEqual(judgeRoute(WANTED, { toNode: ON_LINK, toPods }), {
      kind: 'make',
      route: { ...WANTED, ifindex: 3 },
    });
  });
}

test('judgeRoute() leaves the route of somebody else that leads the same way', (t) => {
  const facts = { toNode: ON_LINK, toPods: by('10.0.0.11') };
  t.deepEqual(judgeRoute(WANTED, facts), { kind: 'leave' });
});

for (const [what, toNode, toPods, problem] of [
  [
    'somebody else routes elsewhere',
    ON_LINK,
    by('10.0.0.12'),
    /^Pod network 10\.244\.1\.0\/24 of Node n1 is left as it is: it has a route by way of 10\.0\.0\.12; see "ip route show 10\.244\.1\.0\/24"/,
  ],
  [
    'somebody else has on an interface',
    ON_LINK,
    by(undefined, 2),
    /it has a route by an interface/,
  ],
  [
    'is behind a router',
    answer('10.0.0.11/32', { gateway: address('10.10.0.254') }),
    DEFAULT,
    /^Node n1 \(10\.0\.0\.11\) is behind a router: 10\.10\.0\.254 leads to it.*BGP.*static route/,
  ],
  ['has no way to its Node', none('EHOSTUNREACH'), DEFAULT, /cannot be reached \(EHOSTUNREACH\)/],
  [
    'is of a Node at an address of this box',
    answer('10.0.0.11/32', { kind: 'local' }),
    DEFAULT,
    /is on no interface of this box/,
  ],
] as const) {
  test(`judgeRoute() refuses the route to a network that ${what}`, (t) => {
    const judgement = judgeRoute(WANTED, { toNode, toPods });
    t.regex(judgement.kind === 'refuse' ? judgement.problem : judgement.kind, problem);
  });
}
