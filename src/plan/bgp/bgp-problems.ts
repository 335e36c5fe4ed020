import type { BgpAdvertisement } from '../../domain/bgp/bgp-advertisement.ts';
import type { BgpPeer } from '../../domain/bgp/bgp-peer.ts';
import type { Labels, ObjectMeta } from '../../domain/object.ts';
import { formatProblem, type Problem } from '../../domain/problem.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import { poolProblems } from '../announcing/advertisement-problems.ts';
import { boxesOf, type OwnBox } from '../announcing/boxes.ts';
import { choosesBox } from '../announcing/by-pool.ts';
import { arrange, ownAds } from './arrange.ts';
import { byAge } from './by-age.ts';
import { type Aliases, aliasesOf, resolveCommunities } from './communities.ts';
import type { Fault } from './fault.ts';
import { ownPeers } from './own-peers.ts';
import { bfdKeyOf, passwordOf } from './peer-secrets.ts';
import { bfdProfileOf } from './plan-peers.ts';

type Kind = 'BGPPeer' | 'BGPAdvertisement' | 'Community';

/**
 * What is wrong with the objects of BGP that one alone does not show, on any of the boxes that there are:
 * MetalLB's rules between objects, and what is named and not there. All else is in force.
 */
export function bgpProblems(snapshot: Snapshot): Problem[] {
  return problemsOf(snapshot, () => true, boxLabels(snapshot));
}

/** Those of one box: with what chooses it, and with what is for all boxes. */
export function bgpProblemsOf(snapshot: Snapshot, box: OwnBox): Problem[] {
  const { labels } = boxesOf(snapshot, box).self;
  return problemsOf(snapshot, ({ nodeSelectors }) => choosesBox(nodeSelectors, labels), [labels]);
}

function problemsOf(
  snapshot: Snapshot,
  concerns: (object: BgpPeer | BgpAdvertisement) => boolean,
  boxes: readonly (Labels | undefined)[],
): Problem[] {
  const aliases = aliasesOf(snapshot, undefined);
  const peers = [...snapshot.bgpPeers.values()].filter(concerns).sort(byKey);
  const ads = [...snapshot.bgpAdvertisements.values()].filter(concerns).sort(byKey);
  const all = [
    ...peers.flatMap((peer) => peerProblems(peer, snapshot)),
    ...aliasProblems(snapshot),
    ...ads.flatMap((ad) => advertisementProblems(ad, aliases, snapshot)),
    ...boxes.flatMap((labels) => problemsOnBox(labels, aliases, snapshot)),
  ];
  return [...new Map(all.map((problem) => [formatProblem(problem), problem])).values()];
}

function byKey(a: ObjectMeta, b: ObjectMeta): number {
  return a.key < b.key ? -1 : 1;
}

function peerProblems(peer: BgpPeer, snapshot: Snapshot): Problem[] {
  const problems: Problem[] = [];
  const { bfdProfile } = peer;
  if (bfdProfile !== undefined && !bfdProfileOf(peer, snapshot.bfdProfiles))
    problems.push(
      problem('BGPPeer', peer, {
        field: 'spec.bfdProfile',
        message: `There is no BFDProfile "${bfdProfile}"; the session is without BFD`,
        remedy: 'Create it, or name one that exists',
      }),
    );
  for (const resolved of [passwordOf(peer, snapshot), bfdKeyOf(peer, snapshot)])
    if ('fault' in resolved) problems.push(problem('BGPPeer', peer, resolved.fault));
  return problems;
}

/** As in MetalLB it is wrong to give a name twice; the older object counts. */
function aliasProblems({ communities }: Snapshot): Problem[] {
  const problems: Problem[] = [];
  const givers = new Map<string, ObjectMeta>();
  for (const object of [...communities.values()].sort(byAge))
    for (const name of object.communities.keys()) {
      const older = givers.get(name);
      if (!older) givers.set(name, object);
      else
        problems.push(
          problem('Community', object, {
            field: 'spec.communities',
            message: `"${name}" is given by Community "${older.key}" already`,
            remedy: 'Give the name once',
          }),
        );
    }
  return problems;
}

function advertisementProblems(
  ad: BgpAdvertisement,
  aliases: Aliases,
  snapshot: Snapshot,
): Problem[] {
  const names = new Set([...snapshot.bgpPeers.values()].map(({ name }) => name));
  return [
    ...poolProblems('BGPAdvertisement', ad, snapshot.pools),
    ...ad.peers.flatMap((name, index) =>
      names.has(name)
        ? []
        : [
            {
              ...problem('BGPAdvertisement', ad, {
                field: `spec.peers[${index}]`,
                message: `There is no BGPPeer "${name}"`,
                remedy: 'Create it, or name one that exists',
              }),
              severity: 'warning' as const,
            },
          ],
    ),
    ...resolveCommunities(ad.communities, aliases).unknown.map((index) =>
      problem('BGPAdvertisement', ad, {
        field: `spec.communities[${index}]`,
        message: `"${ad.communities[index]}" is no community, and no Community object gives it`,
        remedy: 'Create a Community object that gives it, or write it as number:number',
      }),
    ),
  ];
}

/** Without any box as MetalLB does without any node: as if one were chosen by everything. */
function boxLabels(snapshot: Snapshot): (Labels | undefined)[] {
  const { all } = boxesOf(snapshot, { name: '', labels: {} });
  return all.length > 0 ? all.map(({ labels }) => labels) : [undefined];
}

function problemsOnBox(
  labels: Labels | undefined,
  aliases: Aliases,
  snapshot: Snapshot,
): Problem[] {
  const { bgpPeers, bgpAdvertisements, pools } = snapshot;
  const ads = ownAds(bgpAdvertisements.values(), labels, aliases);
  const faults = [...pools.values()]
    .sort(byKey)
    .flatMap((pool) => pool.ranges.flatMap((range) => arrange(ads, pool, range).faults));
  return [
    ...[...ownPeers(bgpPeers.values(), labels).refused].map(([peer, fault]) =>
      problem('BGPPeer', peer, fault),
    ),
    ...faults.map(({ ad, fault }) => problem('BGPAdvertisement', ad, fault)),
  ];
}

function problem(kind: Kind, { key }: ObjectMeta, fault: Fault): Problem {
  return { severity: 'error', object: { kind, key }, ...fault };
}
