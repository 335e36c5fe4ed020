import test from 'ava';
import { parsePrefix } from '../../../src/domain/prefix.ts';
import {
  decodeRoute,
  encodeGatewayRoute,
  encodeHostRoute,
  encodeRouteDump,
  encodeRouteMatch,
  encodeRouteRemoval,
  encodeRouteRequest,
} from '../../../src/protocol/rtnetlink/route.ts';
import { address } from '../../support/objects.ts';
import { capturedBody } from './captured.ts';

test('decodeRoute() reads a route on the link', (t) => {
  t.deepEqual(decodeRoute(capturedBody('route on link')), {
    destination: parsePrefix('10.1.0.2/32'),
    kind: 'unicast',
    ifindex: 2,
    gateway: undefined,
    source: address('10.1.0.1'),
    mtu: 0,
    protocol: 0,
    metric: 0,
  });
});

test('decodeRoute() reads gateway and MTU', (t) => {
  const route = decodeRoute(capturedBody('route by gateway with MTU'));
  t.like(route, { gateway: address('10.1.0.2'), source: address('10.1.0.1'), mtu: 1400 });
});

test('decodeRoute() reads IPv6 routes', (t) => {
  t.like(decodeRoute(capturedBody('route IPv6 on link')), {
    destination: parsePrefix('2001:db8:1::2/128'),
    gateway: undefined,
    source: address('2001:db8:1::1'),
  });
  t.like(decodeRoute(capturedBody('route IPv6 by gateway')), {
    gateway: address('2001:db8:1::2'),
    ifindex: 2,
  });
});

test('decodeRoute() reads an IPv6 gateway of an IPv4 route', (t) => {
  t.like(decodeRoute(capturedBody('route IPv4 by IPv6 gateway')), { gateway: address('fe80::1') });
});

test('decodeRoute() tells an address of the box itself', (t) => {
  t.is(decodeRoute(capturedBody('route local'))?.kind, 'local');
});

test('a route without a destination is the default route', (t) => {
  const body = new Uint8Array(12);
  body[0] = 2;
  t.deepEqual(decodeRoute(body)?.destination, parsePrefix('0.0.0.0/0'));
  body[0] = 10;
  t.deepEqual(decodeRoute(body)?.destination, parsePrefix('::/0'));
});

test('decodeRoute() refuses what is no IP route', (t) => {
  const body = new Uint8Array(12);
  t.is(decodeRoute(body), undefined);
  t.is(decodeRoute(body.subarray(0, 11)), undefined);
  body.set([2, 33]);
  t.is(decodeRoute(body), undefined);
});

test('encodeRouteRequest() asks for one destination', (t) => {
  const hex = Buffer.from(encodeRouteRequest(address('10.1.0.2'))).toString('hex');
  t.is(hex, '022000000000000000000000' + '08000100' + '0a010002');
});

test('encodeRouteMatch() asks for the entry that decides', (t) => {
  const hex = Buffer.from(encodeRouteMatch(address('10.1.0.2'))).toString('hex');
  t.is(hex, '022000000000000000200000' + '08000100' + '0a010002');
});

test('encodeGatewayRoute() is a route by way of a router, which decodeRoute() reads back', (t) => {
  for (const [network, via] of [
    ['10.244.1.0/24', '10.0.0.11'],
    ['fd00:244:1::/64', 'fd00::11'],
  ] as const) {
    const destination = parsePrefix(network) ?? t.fail();
    const way = { gateway: address(via), ifindex: 9, protocol: 74, metric: 7464 };
    const body = encodeGatewayRoute({ destination, ...way } as Parameters<
      typeof encodeGatewayRoute
    >[0]);
    t.is(body[4], 254);
    t.like(decodeRoute(body), { destination, kind: 'unicast', ...way });
  }
});

test('encodeRouteRemoval() names destination, protocol and metric, and no way', (t) => {
  const destination = parsePrefix('10.244.1.0/24');
  const body = encodeRouteRemoval({ destination, protocol: 74, metric: 7464 } as Parameters<
    typeof encodeRouteRemoval
  >[0]);
  const hex = Buffer.from(body).toString('hex');
  t.is(hex, '02180000fe4a000100000000' + '080001000af40100' + '08000600281d0000');
});

test('encodeHostRoute() is a route to one address over an interface', (t) => {
  for (const text of ['192.0.2.1', '2001:db8::1']) {
    const destination = address(text);
    const body = encodeHostRoute({ destination, ifindex: 9, table: 7464 });
    const length = text.includes(':') ? 128 : 32;
    t.like(decodeRoute(body), { kind: 'unicast', ifindex: 9, gateway: undefined });
    t.deepEqual(decodeRoute(body)?.destination, { base: destination, length });
    t.true(Buffer.from(body).toString('hex').endsWith('08000f00281d0000'));
  }
});

test('encodeRouteDump() asks for one table of one family', (t) => {
  const hex = Buffer.from(encodeRouteDump(6, 7464)).toString('hex');
  t.is(hex, '0a0000000000000000000000' + '08000f00281d0000');
  const ours = Buffer.from(encodeRouteDump(4, undefined, 74)).toString('hex');
  t.is(ours, '02000000004a000000000000' + '08000f00fe000000');
});
