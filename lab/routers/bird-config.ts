import type { RouterFamily, RouterOptions } from './router.ts';
import { DEFAULT_HOLD_TIME_SEC, familiesOf, familyOf, type Neighbour, nameOf } from './router.ts';

/** RFC 8326 §4.2: who is about to leave comes last; the other programs do this by themselves. */
const HEEDING = `filter heeding {
  if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
  accept;
}`;

/** BIRD's configuration. A session's protocol is named by `birdNames`. */
export function birdConfig(options: RouterOptions): string {
  const names = birdNames(options);
  const families: readonly RouterFamily[] = ['ipv4', 'ipv6'];
  return [
    'log stderr all;',
    `router id ${options.routerId};`,
    HEEDING,
    'protocol device { scan time 10; }',
    'protocol direct { ipv4; ipv6; }',
    ...families.map((family) => `protocol kernel { merge paths on; ${kernel(family, options)} }`),
    ...families.map((family) => statics(family, options)),
    bfdProtocol(options),
    ...options.neighbours.map((each) => session(each, names.get(nameOf(each)) as string, options)),
    options.extra ?? '',
  ].join('\n');
}

/** Protocol names by neighbour: BIRD's symbols hold no dots. */
export function birdNames({ neighbours }: RouterOptions): ReadonlyMap<string, string> {
  return new Map(neighbours.map((each, index) => [nameOf(each), `peer${index + 1}`]));
}

function kernel(family: RouterFamily, { installs = false }: RouterOptions): string {
  return `${family} { import none; export ${installs ? 'where source = RTS_BGP' : 'none'}; };`;
}

function statics(family: RouterFamily, { announce = [] }: RouterOptions): string {
  const routes = announce.filter((prefix) => familyOf(prefix) === family);
  return `protocol static { ${family}; ${routes.map((each) => `route ${each} blackhole;`).join('\n')} }`;
}

function bfdProtocol({ neighbours }: RouterOptions): string {
  const timers = neighbours.find(({ bfd }) => bfd)?.bfd;
  if (timers === undefined) return '';
  const { intervalMs, multiplier } = timers;
  const lines = `interval ${intervalMs} ms; multiplier ${multiplier};`;
  return `protocol bfd { interface "*" { ${lines} }; multihop { ${lines} }; }`;
}

function session(neighbour: Neighbour, name: string, { asn }: RouterOptions): string {
  const { address, interface: link, localAddress = '', port } = neighbour;
  if (address === undefined) throw new Error('BIRD does not look for its neighbours: say where');
  const holdSec = neighbour.holdTimeSec ?? DEFAULT_HOLD_TIME_SEC;
  const scope = link === undefined ? '' : ` % '${link}'`;
  const at = `${address}${scope}${port === undefined ? '' : ` port ${port}`}`;
  const lines = [
    `local ${localAddress} as ${asn}`,
    `neighbor ${at} as ${neighbour.asn}`,
    'connect delay time 0',
    'connect retry time 1',
    'error wait time 1, 2',
    `hold time ${holdSec}`,
    `keepalive time ${Math.max(1, Math.floor(holdSec / 3))}`,
    'graceful restart on',
    'enable extended messages on',
    ...(neighbour.password === undefined ? [] : [`password "${neighbour.password}"`]),
    ...(neighbour.multihop === undefined ? [] : [`multihop ${neighbour.multihop}`]),
    ...ttlSecurity(neighbour),
    ...(neighbour.passive ? ['passive on'] : []),
    ...(neighbour.bfd ? ['bfd on'] : []),
    ...familiesOf(neighbour).map((family) => channel(family, neighbour)),
  ];
  return `protocol bgp ${name} {\n${lines.map((line) => `  ${line};\n`).join('')}}`;
}

/** BIRD takes the distance from `multihop`. */
function ttlSecurity({ ttlSecurityHops, multihop }: Neighbour): readonly string[] {
  if (ttlSecurityHops === undefined) return [];
  const distance = ttlSecurityHops > 1 && multihop === undefined;
  return [...(distance ? [`multihop ${ttlSecurityHops}`] : []), 'ttl security on'];
}

function channel(family: RouterFamily, { extendedNextHop = false }: Neighbour): string {
  const extended = extendedNextHop && family === 'ipv4' ? 'extended next hop on; ' : '';
  return `${family} { import filter heeding; export where source = RTS_STATIC; ${extended}}`;
}
