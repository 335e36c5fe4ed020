import test from 'ava';
import type { Capability, OpenMessage } from '../../../../src/protocol/bgp/message.ts';
import { decodeCapabilities } from '../../../../src/protocol/bgp/open/capability.ts';
import { negotiate } from '../../../../src/protocol/bgp/session/negotiate.ts';
import type { Negotiated } from '../../../../src/protocol/bgp/session/negotiated.ts';
import { ownOpen } from '../../../../src/protocol/bgp/session/own-open.ts';
import type { SessionConfig } from '../../../../src/protocol/bgp/session/session-config.ts';
import { CONFIG, GRACEFUL, openOf } from './scenario.ts';

function agreed(config: SessionConfig, open: OpenMessage): Negotiated {
  const outcome = negotiate(config, open);
  if ('refusal' in outcome) throw new Error(outcome.refusal.why);
  return outcome.negotiated;
}

function refused(config: SessionConfig, open: OpenMessage): string {
  const outcome = negotiate(config, open);
  if (!('refusal' in outcome)) return '';
  const { notification, why } = outcome.refusal;
  return `${notification.code}/${notification.subcode} ${why}`;
}

const bare = (...capabilities: Capability[]) => openOf({}, { capabilities });

test('ownOpen() offers what is configured', (t) => {
  const restart = { restartTimeSec: 5000, restarting: true, forwarding: false };
  t.deepEqual(
    ownOpen({ ...CONFIG, localAsn: 70_000, extendedNextHop: true, gracefulRestart: restart }),
    {
      kind: 'open',
      version: 4,
      asn: 70_000,
      holdTimeSec: 90,
      routerId: CONFIG.routerId,
      capabilities: [
        { kind: 'multiprotocol', afi: 1, safi: 1 },
        { kind: 'multiprotocol', afi: 2, safi: 1 },
        { kind: 'routeRefresh' },
        { kind: 'enhancedRouteRefresh' },
        { kind: 'fourOctetAs', asn: 70_000 },
        { kind: 'extendedMessage' },
        { kind: 'extendedNextHop', entries: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
        {
          kind: 'gracefulRestart',
          restarting: true,
          notification: true,
          restartTimeSec: 4095,
          families: [
            { afi: 1, safi: 1, forwarding: false },
            { afi: 2, safi: 1, forwarding: false },
          ],
        },
      ],
    },
  );
});

test('ownOpen() offers no next hops of IPv6 for IPv4 that it does not speak, and no restart', (t) => {
  const { capabilities } = ownOpen({ ...CONFIG, families: [6], extendedNextHop: true });
  t.deepEqual(
    capabilities.map(({ kind }) => kind),
    ['multiprotocol', 'routeRefresh', 'enhancedRouteRefresh', 'fourOctetAs', 'extendedMessage'],
  );
});

test('negotiate() agrees on what both have', (t) => {
  const config = { ...CONFIG, extendedNextHop: true, gracefulRestart: GRACEFUL };
  t.deepEqual(agreed(config, openOf({ extendedNextHop: true, gracefulRestart: GRACEFUL })), {
    peerAsn: 64513,
    peerRouterId: 0x0a000002,
    internal: false,
    holdTimeMs: 90_000,
    keepaliveMs: 30_000,
    codec: {
      fourOctetAs: true,
      extendedMessage: true,
      internal: false,
      families: [4, 6],
      extendedNextHop: true,
    },
    routeRefresh: true,
    enhancedRouteRefresh: true,
    gracefulRestart: {
      restarting: false,
      notification: true,
      restartTimeMs: 120_000,
      families: [
        { family: 4, forwarding: true },
        { family: 6, forwarding: true },
      ],
    },
  });
});

test('negotiate() takes a peer without capabilities as it was before there were any', (t) => {
  const { codec, ...rest } = agreed({ ...CONFIG, extendedNextHop: true }, bare());
  t.deepEqual(codec, {
    fourOctetAs: false,
    extendedMessage: false,
    internal: false,
    families: [4],
    extendedNextHop: false,
  });
  t.false(rest.routeRefresh || rest.enhancedRouteRefresh);
  t.is(rest.gracefulRestart, undefined);
});

test('negotiate() needs both sides for each capability', (t) => {
  const both = openOf({ extendedNextHop: true, gracefulRestart: GRACEFUL });
  const without = agreed(CONFIG, both);
  t.false(without.codec.extendedNextHop);
  t.is(without.gracefulRestart, undefined);
  const ipv6Only = agreed({ ...CONFIG, families: [6], extendedNextHop: true }, both);
  t.deepEqual(ipv6Only.codec.families, [6]);
  t.false(ipv6Only.codec.extendedNextHop);
  t.false(agreed(CONFIG, bare({ kind: 'enhancedRouteRefresh' })).enhancedRouteRefresh);
});

test('negotiate() believes the last graceful restart capability, for the families of the session', (t) => {
  const one = { kind: 'gracefulRestart', notification: false, restartTimeSec: 9 } as const;
  const families = [
    { afi: 2, safi: 1, forwarding: false },
    { afi: 1, safi: 128, forwarding: true },
  ];
  const open = bare(
    { kind: 'multiprotocol', afi: 1, safi: 1 },
    { kind: 'multiprotocol', afi: 2, safi: 1 },
    { ...one, restarting: false, families: [] },
    { ...one, restarting: true, families },
  );
  t.deepEqual(agreed({ ...CONFIG, gracefulRestart: GRACEFUL }, open).gracefulRestart, {
    restarting: true,
    notification: false,
    restartTimeMs: 9000,
    families: [{ family: 6, forwarding: false }],
  });
});

test('negotiate() takes the shorter hold time, and a third of it to keep alive', (t) => {
  const cases: readonly (readonly [number, number, number, number, number])[] = [
    // Own hold and keepalive time, the peer's hold time in seconds; both that are agreed on.
    [90_000, 30_000, 180, 90_000, 30_000],
    [90_000, 30_000, 30, 30_000, 10_000],
    [90_000, 5_000, 30, 30_000, 5_000],
    [90_000, 0, 90, 90_000, 30_000],
    [9_000, 3_000, 3, 3_000, 1_000],
    [9_000, 100, 3, 3_000, 1_000],
    [1_000, 100, 9, 3_000, 1_000],
    [0, 30_000, 90, 0, 0],
    [90_000, 30_000, 0, 0, 0],
    [90_000_000, 30_000, 0xffff, 65_535_000, 30_000],
  ];
  for (const [holdTimeMs, keepaliveMs, holdTimeSec, hold, keepalive] of cases) {
    const outcome = agreed({ ...CONFIG, holdTimeMs, keepaliveMs }, openOf({}, { holdTimeSec }));
    t.deepEqual([outcome.holdTimeMs, outcome.keepaliveMs], [hold, keepalive]);
  }
});

test('negotiate() refuses a peer of another AS than is configured', (t) => {
  const from = (peerAsn: SessionConfig['peerAsn'], asn: number) =>
    refused({ ...CONFIG, peerAsn }, openOf({}, { asn }));
  t.is(from(64513, 64513), '');
  t.is(from('external', 64513), '');
  t.is(from('internal', 64512), '');
  t.is(
    from(64513, 64514),
    '2/2 The peer is of AS 64514, and AS 64513 is configured: correct the BGPPeer, or the AS of the peer',
  );
  t.regex(from('external', 64512), /^2\/2 .*"external" means another/);
  t.regex(from('internal', 64513), /^2\/2 .*"internal" means AS 64512/);
  t.regex(from('external', 0), /^2\/2 The peer says AS 0,/);
  t.regex(from(23_456, 23_456), /^2\/2 The peer says AS 23456,/);
});

test('negotiate() refuses a router ID that is 0, or its own within one AS', (t) => {
  const { routerId } = CONFIG;
  t.regex(refused(CONFIG, openOf({}, { routerId: 0 })), /^2\/3 .*0\.0\.0\.0/);
  t.is(refused(CONFIG, openOf({}, { routerId })), '');
  const internal = { ...CONFIG, peerAsn: 'internal' } as const;
  t.regex(refused(internal, openOf({}, { routerId, asn: 64512 })), /^2\/3 .*10\.0\.0\.1 as this/);
});

test('negotiate() refuses a peer without a common family, and names those that it has', (t) => {
  const outcome = negotiate({ ...CONFIG, families: [6] }, bare());
  if (!('refusal' in outcome)) return t.fail();
  const { notification, why } = outcome.refusal;
  t.regex(why, /does not offer IPv6 unicast: activate/);
  t.deepEqual(decodeCapabilities(notification.data), [{ kind: 'multiprotocol', afi: 2, safi: 1 }]);
});
