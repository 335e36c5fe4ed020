import type { BfdProfile } from '../../domain/bgp/bfd-profile.ts';
import type { BgpPeer } from '../../domain/bgp/bgp-peer.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import { objectKey } from '../../domain/object.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import type { Fault } from './fault.ts';
import type { OwnPeers } from './own-peers.ts';
import { bfdKeyOf, passwordOf, type Resolved } from './peer-secrets.ts';
import type { PlannedPeer } from './planned-peer.ts';

/** What peers were planned from. */
export interface PeersBasis {
  readonly peers: KeyedMap<PlannedPeer>;
  readonly own: OwnPeers;
  readonly snapshot: Snapshot;
}

/** One whose parts are the same as `before` is the same object. */
export function planPeers(
  before: PeersBasis | undefined,
  own: OwnPeers,
  snapshot: Snapshot,
): KeyedMap<PlannedPeer> {
  const same =
    before?.own === own &&
    before.snapshot.bfdProfiles === snapshot.bfdProfiles &&
    before.snapshot.secrets === snapshot.secrets &&
    before.snapshot.problems === snapshot.problems &&
    before.snapshot.remembered === snapshot.remembered;
  if (same) return before.peers;
  const old = before?.peers ?? KeyedMap.empty<PlannedPeer>();
  const all = [
    ...own.inForce.map((peer) => planPeer(peer, undefined, snapshot)),
    ...[...own.refused].map(([peer, fault]) => planPeer(peer, fault, snapshot)),
  ].map((planned) => keepProfile(planned, old.get(planned.peer.key)));
  const wanted = new Map(all.map((planned) => [planned.peer.key, planned]));
  const gone = [...old.keys()].filter((key) => !wanted.has(key));
  return old.withAll([
    ...gone.map((key) => [key, undefined] as const),
    ...[...wanted].map(([key, next]) => {
      const last = old.get(key);
      const keeps = last && before && isSame(last, next, before.snapshot, snapshot);
      return [key, keeps ? last : next] as const;
    }),
  ]);
}

function planPeer(peer: BgpPeer, fault: Fault | undefined, snapshot: Snapshot): PlannedPeer {
  const password = passwordOf(peer, snapshot);
  const bfdKey = bfdKeyOf(peer, snapshot);
  const reasons = [fault, faultOf(password), faultOf(bfdKey)];
  return {
    peer,
    bfd: bfdProfileOf(peer, snapshot.bfdProfiles),
    password: 'value' in password ? password.value : undefined,
    bfdKey: 'value' in bfdKey ? bfdKey.value : undefined,
    obstacle: reasons.find((reason) => reason !== undefined)?.message ?? '',
    refused: fault !== undefined,
  };
}

/**
 * A profile that was deleted stays in force while a peer names it: without, the path's watch would end,
 * and the peer may end its session with that.
 */
function keepProfile(planned: PlannedPeer, last: PlannedPeer | undefined): PlannedPeer {
  const { peer, bfd } = planned;
  if (bfd || peer.bfdProfile === undefined || !last?.bfd) return planned;
  return last.peer.bfdProfile === peer.bfdProfile ? { ...planned, bfd: last.bfd } : planned;
}

function faultOf(resolved: Resolved): Fault | undefined {
  return 'fault' in resolved ? resolved.fault : undefined;
}

/** The profile that a peer names; `undefined` also when it is not there. */
export function bfdProfileOf(
  { namespace, bfdProfile }: BgpPeer,
  profiles: KeyedMap<BfdProfile>,
): BfdProfile | undefined {
  return bfdProfile === undefined ? undefined : profiles.get(objectKey(namespace, bfdProfile));
}

/** Passwords are not compared, since they are of the same Secrets. */
function isSame(a: PlannedPeer, b: PlannedPeer, then: Snapshot, now: Snapshot): boolean {
  const sameSecret = (name: string | undefined) => {
    if (name === undefined) return true;
    const key = objectKey(a.peer.namespace, name);
    return then.secrets.get(key) === now.secrets.get(key);
  };
  const { password, bfdPasswordSecret } = a.peer;
  return (
    a.peer === b.peer &&
    a.bfd === b.bfd &&
    a.obstacle === b.obstacle &&
    a.refused === b.refused &&
    sameSecret(password.kind === 'secret' ? password.name : undefined) &&
    sameSecret(bfdPasswordSecret)
  );
}
