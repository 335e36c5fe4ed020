import { addressFromBigInt, compareAddresses } from '../domain/address.ts';
import type { BgpRoute } from '../domain/bgp/bgp-route.ts';
import type { BgpSession } from '../domain/bgp/bgp-session.ts';
import { KeyedMap } from '../domain/keyed-map.ts';
import { nameOf, type ObjectKey } from '../domain/object.ts';
import { formatPrefix, type Prefix, parsePrefix } from '../domain/prefix.ts';
import type * as api from './api-bgp.ts';
import { ApiError } from './api-error.ts';
import type { BgpView } from './bgp-view.ts';
import { encodePath } from './encode-bgp.ts';

/** By key; of one peer, which may be given by its name, or of all. Throws when there is no such peer. */
export function sessionsOf(view: BgpView, peer: string | undefined): BgpSession[] {
  const all = [...view.sessions().values()].sort((a, b) => (a.peer < b.peer ? -1 : 1));
  if (peer === undefined) return all;
  const found = all.filter(({ peer: key }) => key === peer || nameOf(key) === peer);
  if (found.length > 0) return found;
  const names = all.map(({ peer: key }) => nameOf(key)).join(', ');
  const remedy = names === '' ? 'No BGPPeer chooses this box' : `There are ${names}`;
  throw new ApiError(400, 'no_peer', `There is no peer "${peer}" of this box`, remedy);
}

/** A prefix that some peer should be told, or has been. */
export interface RouteRow {
  readonly prefix: Prefix;
  readonly peers: readonly ObjectKey[];
}

/** By number of the prefix. */
export function routeRows(view: BgpView, peers: readonly ObjectKey[]): RouteRow[] {
  const rows = new Map<string, { prefix: Prefix; peers: Set<ObjectKey> }>();
  const note = (text: string, prefix: Prefix, peer: ObjectKey) => {
    const row = rows.get(text) ?? { prefix, peers: new Set() };
    rows.set(text, row);
    row.peers.add(peer);
  };
  for (const [text, { prefix, byPeer }] of wantedRoutes(view))
    for (const peer of peers) if (byPeer.has(peer)) note(text, prefix, peer);
  for (const peer of peers)
    for (const [text, { prefix }] of view.routesTo(peer)) note(text, prefix, peer);
  return [...rows.values()]
    .sort((a, b) => comparePrefixes(a.prefix, b.prefix))
    .map(({ prefix, peers: of }) => ({ prefix, peers: [...of].sort() }));
}

/** None where a box that is being drained has withdrawn what is planned. */
function wantedRoutes(view: BgpView): KeyedMap<BgpRoute> {
  return (view.hasLeft() ? undefined : view.planned()?.routes) ?? KeyedMap.empty();
}

export function encodeRoute(view: BgpView): (row: RouteRow) => api.BgpRoute {
  const routes = wantedRoutes(view);
  const told = new Map<ObjectKey, ReturnType<BgpView['routesTo']>>();
  const toldTo = (peer: ObjectKey) => {
    const known = told.get(peer) ?? view.routesTo(peer);
    told.set(peer, known);
    return known;
  };
  return ({ prefix, peers }) => {
    const text = formatPrefix(prefix);
    const wanted = routes.get(text)?.byPeer;
    return {
      prefix: text,
      peers: peers.map((peer) => {
        const said = toldTo(peer).get(text);
        return {
          peer,
          wanted: wanted?.has(peer) ?? false,
          told: said !== undefined,
          ...(said?.path && { path: encodePath(said.path) }),
        };
      }),
    };
  };
}

export interface ReceivedRow {
  readonly peer: ObjectKey;
  readonly prefix: Prefix;
  readonly encode: () => api.ReceivedRoute;
}

/** By peer and number of the prefix. */
export function receivedRows(view: BgpView, peers: readonly ObjectKey[]): ReceivedRow[] {
  return peers.flatMap((peer) =>
    [...(view.receivedFrom(peer)?.current().values() ?? [])]
      .sort((a, b) => comparePrefixes(a.prefix, b.prefix))
      .map(({ prefix, path }) => ({
        peer,
        prefix,
        encode: () => ({ peer, prefix: formatPrefix(prefix), path: encodePath(path) }),
      })),
  );
}

/** Whether one id of a list comes after another: texts of prefixes, or `peer prefix`. */
export function isAfterPrefix(id: string, cursor: string): boolean {
  const [a, b] = [placeOf(id), placeOf(cursor)];
  if (a.peer !== b.peer) return a.peer > b.peer;
  return comparePrefixes(a.prefix, b.prefix) > 0;
}

/** What cannot be read comes first. */
function placeOf(id: string): { readonly peer: string; readonly prefix: Prefix } {
  const [peer = '', text] = id.includes(' ') ? id.split(' ') : ['', id];
  return { peer, prefix: parsePrefix(text ?? '') ?? { base: addressFromBigInt(0n), length: 0 } };
}

function comparePrefixes(a: Prefix, b: Prefix): number {
  return compareAddresses(a.base, b.base) || a.length - b.length;
}
