import type { BgpRoute } from '../../domain/bgp/bgp-route.ts';
import { sessionFamilies } from '../../domain/bgp/session-families.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import { type Boxes, boxesOf, type OwnBox } from '../announcing/boxes.ts';
import { type BgpRules, bgpRulesOf } from './bgp-rules.ts';
import { type Aliases, aliasesOf } from './communities.ts';
import { createInterner, type Interner } from './intern.ts';
import { type OwnPeers, ownPeers } from './own-peers.ts';

/** What decides about routes besides Services: this box, peers, pools, advertisements, communities. */
export interface BgpField {
  readonly boxes: Boxes;
  readonly peers: OwnPeers;
  readonly aliases: Aliases;
  /** The same object while no address can have got other routes. */
  readonly rules: BgpRules;
  readonly interner: Interner;
  readonly leaving: boolean;
  readonly own: OwnBox;
  readonly snapshot: Snapshot;
}

/** Keeps of the field before what did not change. `routes` are those of the plan before. */
export function bgpFieldOf(
  before: BgpField | undefined,
  snapshot: Snapshot,
  own: OwnBox,
  stopping: boolean,
  routes: KeyedMap<BgpRoute>,
): BgpField {
  const then = before?.own === own ? before : undefined;
  const boxes = boxesOf(snapshot, own, then);
  const { labels, draining } = boxes.self;
  const leaving = stopping || draining;
  const sameLabels = then !== undefined && labelsText(then.boxes) === labelsText(boxes);
  const samePeers = sameLabels && then.snapshot.bgpPeers === snapshot.bgpPeers;
  const peers = samePeers ? then.peers : ownPeers(snapshot.bgpPeers.values(), labels);
  const sameAds = then?.snapshot.bgpAdvertisements === snapshot.bgpAdvertisements;
  const sameAliases = sameAds && then?.snapshot.communities === snapshot.communities;
  const aliases = sameAliases ? then.aliases : aliasesOf(snapshot, then?.aliases);
  const sameRules =
    sameLabels &&
    sameAliases &&
    then.snapshot.pools === snapshot.pools &&
    then.leaving === leaving &&
    whoText(then.peers) === whoText(peers);
  if (sameRules) return { ...then, boxes, peers, snapshot };
  const known = [...routes.values()].map(({ byPeer }) => byPeer);
  const interner = createInterner(known);
  const speaking = { peers: peers.inForce, leaving, interner };
  const rules = bgpRulesOf(snapshot, labels, aliases, speaking);
  return { boxes, peers, aliases, rules, interner, leaving, own, snapshot };
}

/** All that routes take from peers, so that a change of a session replans no address. */
function whoText({ inForce }: OwnPeers): string {
  return JSON.stringify(inForce.map((peer) => [peer.key, sessionFamilies(peer)]));
}

function labelsText({ self }: Boxes): string {
  return JSON.stringify(Object.entries(self.labels).sort());
}
