import { DEFAULT_HOLD_TIME_SEC, familiesOf, type Neighbour, type RouterOptions } from './router.ts';

/** GoBGP's configuration, as JSON. Its own prefixes are not in it: they are commands. */
export function gobgpConfig(options: RouterOptions): string {
  return JSON.stringify({
    global: {
      config: { as: options.asn, 'router-id': options.routerId },
      'use-multiple-paths': { config: { enabled: true } },
    },
    neighbors: options.neighbours.map(session),
    ...JSON.parse(options.extra ?? '{}'),
  });
}

function session(neighbour: Neighbour): object {
  const { address, interface: link, multihop, ttlSecurityHops } = neighbour;
  const holdSec = neighbour.holdTimeSec ?? DEFAULT_HOLD_TIME_SEC;
  const at =
    address === undefined
      ? { 'neighbor-interface': link }
      : { 'neighbor-address': link === undefined ? address : `${address}%${link}` };
  return {
    config: {
      ...at,
      'peer-as': neighbour.asn,
      ...(neighbour.password === undefined ? {} : { 'auth-password': neighbour.password }),
    },
    timers: {
      config: {
        'connect-retry': 1,
        'hold-time': holdSec,
        'keepalive-interval': holdSec / 3,
        'idle-hold-time-after-reset': 1,
      },
    },
    transport: {
      config: {
        'passive-mode': neighbour.passive ?? false,
        ...(neighbour.localAddress === undefined
          ? {}
          : { 'local-address': neighbour.localAddress }),
        ...(neighbour.port === undefined ? {} : { 'remote-port': neighbour.port }),
      },
    },
    'graceful-restart': {
      config: { enabled: true, 'restart-time': 120, 'notification-enabled': true },
    },
    ...(multihop === undefined
      ? {}
      : { 'ebgp-multihop': { config: { enabled: true, 'multihop-ttl': multihop } } }),
    ...(ttlSecurityHops === undefined
      ? {}
      : { 'ttl-security': { config: { enabled: true, 'ttl-min': 256 - ttlSecurityHops } } }),
    'afi-safis': familiesOf(neighbour).map((family) => ({
      config: { 'afi-safi-name': `${family}-unicast` },
      'mp-graceful-restart': { config: { enabled: true } },
    })),
  };
}
