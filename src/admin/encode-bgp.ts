import { type Address, formatAddress } from '../domain/address.ts';
import type { BfdSession } from '../domain/bgp/bfd-session.ts';
import { formatLargeCommunity, formatStandardCommunity } from '../domain/bgp/bgp-community.ts';
import type { BgpSession, SaidError } from '../domain/bgp/bgp-session.ts';
import { formatExtendedCommunity } from '../domain/bgp/extended-community.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { AsPathSegment, PathAttributes } from '../protocol/bgp/message.ts';
import type * as api from './api-bgp.ts';
import type { BgpView } from './bgp-view.ts';
import { addressTexts, timeText } from './encode.ts';

/** Domain values of BGP and BFD as the API writes them. */

export function encodeBgpSession(session: BgpSession, view: BgpView): api.BgpSession {
  const { sinceMs, remoteAddress, localAddress, localRouterId, peerRouterId, ...rest } = session;
  const { interface: port, capabilities, prefixes, lastError, bfd, ...plain } = rest;
  const receivedMore = view.receivedFrom(session.peer)?.truncated() ?? false;
  return {
    ...plain,
    since: timeText(sinceMs),
    ...optionalAddress('remoteAddress', remoteAddress),
    ...optionalAddress('localAddress', localAddress),
    ...(port !== undefined && { interface: port }),
    ...optionalAddress('localRouterId', localRouterId),
    ...optionalAddress('peerRouterId', peerRouterId),
    capabilities: [...capabilities],
    prefixes: { ...prefixes, receivedMore },
    lastError: {
      ...(lastError.sent && { sent: encodeError(lastError.sent) }),
      ...(lastError.received && { received: encodeError(lastError.received) }),
      ...(lastError.transport && { transport: encodeError(lastError.transport) }),
    },
    ...(bfd && { bfd: encodeBfdSession(session.peer, bfd) }),
  };
}

function optionalAddress<K extends string>(
  name: K,
  address: Address | undefined,
): { readonly [P in K]?: string } {
  return address === undefined
    ? {}
    : ({ [name]: formatAddress(address) } as { readonly [P in K]: string });
}

function encodeError({ text, atMs }: SaidError): api.SaidError {
  return { text, at: timeText(atMs) };
}

export function encodeBfdSession(peer: ObjectKey, session: BfdSession): api.BfdSession {
  const { sinceMs, remoteAddress, localAddress, interface: port, ...rest } = session;
  return {
    peer,
    ...rest,
    since: timeText(sinceMs),
    remoteAddress: formatAddress(remoteAddress),
    ...optionalAddress('localAddress', localAddress),
    ...(port !== '' && { interface: port }),
  };
}

export function encodePath(path: PathAttributes): api.BgpPath {
  const { origin, asPath, nextHop, mpNextHop, med, localPref } = path;
  const hops = [nextHop, mpNextHop?.global, mpNextHop?.linkLocal];
  return {
    origin,
    asPath: asPath.map(segmentText).join(' '),
    nextHops: addressTexts(hops.filter((hop) => hop !== undefined)),
    ...(med !== undefined && { med }),
    ...(localPref !== undefined && { localPref }),
    communities: [
      ...path.communities.map(formatStandardCommunity),
      ...path.largeCommunities.map(formatLargeCommunity),
      ...path.extendedCommunities.map(formatExtendedCommunity),
    ],
  };
}

/** As routers write them. */
function segmentText({ kind, asns }: AsPathSegment): string {
  switch (kind) {
    case 'sequence':
      return asns.join(' ');
    case 'set':
      return `{${asns.join(',')}}`;
    case 'confederationSequence':
      return `(${asns.join(' ')})`;
    case 'confederationSet':
      return `[${asns.join(',')}]`;
  }
}
