import type { BgpPath, BgpRoute, ReceivedRoute } from '../../admin/api-bgp.ts';
import { formatStandardCommunity, WELL_KNOWN_COMMUNITIES } from '../../domain/bgp/bgp-community.ts';
import { nameOf } from '../../domain/object.ts';
import { andMore } from '../format.ts';
import { type Io, paint } from '../io.ts';
import { reasonText } from '../reasons.ts';
import { type Cell, table } from '../table.ts';
import type { ToldRoutes } from './bgp-answers.ts';

/** Rows on a terminal; `--json` has them all. */
const ROWS_SHOWN = 200;

export function renderRoutes(io: Io, { routes, withheld }: ToldRoutes): string {
  const rows = routes.flatMap(routeRows);
  const shown = rows.slice(0, ROWS_SHOWN);
  const headings = ['PREFIX', 'TO', 'NEXT HOP', 'AS PATH', 'MED', 'PREF', 'COMMUNITIES'];
  const told = table(io, headings, shown) + andMore(rows.length - shown.length, 'route');
  const others = withheld
    .slice(0, ROWS_SHOWN)
    .map(({ address, services, announcement }): Cell[] => [
      address,
      services.join(','),
      reasonText(announcement?.bgp?.reason ?? ''),
    ]);
  const not =
    others.length === 0
      ? ''
      : `${paint(io, 'bold', 'Not announced by BGP')}\n` +
        table(io, ['ADDRESS', 'SERVICE', 'WHY'], others, '  ') +
        andMore(withheld.length - others.length, 'address');
  return [told || 'No prefix is announced.\n', not].filter(Boolean).join('\n');
}

/** One for each thing that is said of a prefix, with those to whom it is said. */
function routeRows({ prefix, peers }: BgpRoute): Cell[][] {
  const groups = new Map<string, { names: string[]; state: string; path: BgpPath | undefined }>();
  for (const { peer, wanted, told, path } of peers) {
    const state = !wanted ? 'being withdrawn' : told && path ? '' : 'to come';
    const key = JSON.stringify([state, path]);
    const group = groups.get(key) ?? { names: [], state, path };
    groups.set(key, group);
    group.names.push(nameOf(peer));
  }
  return [...groups.values()].map(({ names, state, path }) => [
    prefix,
    `${names.join(',')}${state && ` (${state})`}`,
    ...(path ? pathCells(path) : ['-', '-', '-', '-', '-']),
  ]);
}

function pathCells({ nextHops, asPath, med, localPref, communities }: BgpPath): Cell[] {
  return [
    nextHops.join(' '),
    asPath || '-',
    med === undefined ? '-' : String(med),
    localPref === undefined ? '-' : String(localPref),
    communities.map(communityText).join(' ') || '-',
  ];
}

const COMMUNITY_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(WELL_KNOWN_COMMUNITIES).map(([name, value]) => [
    formatStandardCommunity(value),
    name,
  ]),
);

function communityText(text: string): string {
  return COMMUNITY_NAMES.get(text) ?? text;
}

export function renderReceived(io: Io, routes: readonly ReceivedRoute[]): string {
  if (routes.length === 0) return 'No peer announces anything.\n';
  const rows = routes
    .slice(0, ROWS_SHOWN)
    .map(({ peer, prefix, path }): Cell[] => [nameOf(peer), prefix, ...pathCells(path)]);
  const headings = ['FROM', 'PREFIX', 'NEXT HOP', 'AS PATH', 'MED', 'PREF', 'COMMUNITIES'];
  return table(io, headings, rows) + andMore(routes.length - rows.length, 'route');
}
