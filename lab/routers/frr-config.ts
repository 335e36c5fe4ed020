import {
  DEFAULT_HOLD_TIME_SEC,
  familiesOf,
  familyOf,
  type Neighbour,
  nameOf,
  type RouterFamily,
  type RouterOptions,
} from './router.ts';

/** Configuration of bgpd, as lines for its shell. */
export function bgpdConfig(options: RouterOptions): readonly string[] {
  const families: readonly RouterFamily[] = ['ipv4', 'ipv6'];
  return [
    `router bgp ${options.asn}`,
    `bgp router-id ${options.routerId}`,
    'no bgp ebgp-requires-policy',
    'no bgp network import-check',
    'no bgp default ipv4-unicast',
    'bgp graceful-restart',
    'bgp log-neighbor-changes',
    'bgp bestpath as-path multipath-relax',
    ...options.neighbours.flatMap(session),
    ...families.flatMap((family) => [
      `address-family ${family} unicast`,
      ...(options.announce ?? [])
        .filter((prefix) => familyOf(prefix) === family)
        .map((prefix) => `network ${prefix}`),
      ...options.neighbours
        .filter((each) => familiesOf(each).includes(family))
        .map((each) => `neighbor ${nameOf(each)} activate`),
      'exit-address-family',
    ]),
    'exit',
    ...(options.extra ?? '').split('\n').filter((line) => line !== ''),
  ];
}

function session(neighbour: Neighbour): string[] {
  const name = nameOf(neighbour);
  const holdSec = neighbour.holdTimeSec ?? DEFAULT_HOLD_TIME_SEC;
  const remote = neighbour.address === undefined ? 'interface remote-as' : 'remote-as';
  const { bfd, localAddress, multihop, password, port, ttlSecurityHops } = neighbour;
  const all: readonly (string | false | undefined)[] = [
    `${remote} ${neighbour.asn}`,
    `timers ${Math.max(1, Math.floor(holdSec / 3))} ${holdSec}`,
    'timers connect 1',
    'advertisement-interval 0',
    localAddress !== undefined && `update-source ${localAddress}`,
    password !== undefined && `password ${password}`,
    multihop !== undefined && `ebgp-multihop ${multihop}`,
    ttlSecurityHops !== undefined && `ttl-security hops ${ttlSecurityHops}`,
    neighbour.passive && 'passive',
    port !== undefined && `port ${port}`,
    neighbour.extendedNextHop && 'capability extended-nexthop',
    bfd && `bfd ${bfd.multiplier} ${bfd.intervalMs} ${bfd.intervalMs}`,
  ];
  return all.filter((each) => typeof each === 'string').map((each) => `neighbor ${name} ${each}`);
}
