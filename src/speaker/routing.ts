import { KeyedMap } from '../domain/keyed-map.ts';
import type { VipAnnouncement, VipServing } from '../domain/observed.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { AnnounceSettings } from '../plan/announce.ts';
import type { WithholdReason } from '../plan/announcing/reasons.ts';
import { type BgpPlan, planBgp } from '../plan/bgp.ts';
import type { BgpSpeaker } from './bgp/bgp-speaker.ts';

/** Announcing by BGP: plans, has the plan carried out, and says how each address stands. */
export interface Routing {
  /** Returns the texts of addresses that are planned otherwise than before. */
  plan(snapshot: Snapshot, serving: KeyedMap<VipServing>): readonly string[];
  planned(): BgpPlan | undefined;
  /** Names of the BGPPeers that have a route to the address, sorted. */
  peersOf(text: string): readonly string[];
  /** Why no peer has one. */
  reasonOf(text: string): WithholdReason;
  /** Whether there is anybody to speak to. */
  hasPeers(): boolean;
  /** Has peers prefer others, withdraws, says farewell. Resolves when that is done. */
  stop(): Promise<void>;
}

export interface RoutingOptions {
  readonly bgp: BgpSpeaker;
  readonly settings: AnnounceSettings;
  /** What an earlier speaker reported, by address text. */
  readonly lately: ReadonlyMap<string, VipAnnouncement>;
}

const FAREWELL = 'Tidegate is being stopped';

export function createRouting({ bgp, settings, lately }: RoutingOptions): Routing {
  const heldLately = new Map(
    [...lately].flatMap(([text, { announced, peers }]) =>
      announced && peers.length > 0 ? [[text, peers] as const] : [],
    ),
  );
  let plan: BgpPlan | undefined;
  let stopped = false;

  function carryOut(next: BgpPlan) {
    plan = next;
    bgp.want(next);
  }

  /** Peers that keep the routes of a speaker that died, until they are told them again (RFC 4724). */
  function keepersOf(text: string): readonly string[] {
    const names = heldLately.get(text) ?? [];
    if (names.length === 0 || !bgp.restarting() || bgp.hasLeft()) return [];
    if (!plan || plan.revision === 0) return names;
    const keeping = new Set(
      [...plan.peers.values()].flatMap(({ peer, refused }) =>
        peer.gracefulRestart && !refused ? [peer.name] : [],
      ),
    );
    const takers = plan.vips.get(text)?.peers ?? [];
    return names.filter((name) => keeping.has(name) && takers.includes(name) && !bgp.hasMet(name));
  }

  return {
    plan(snapshot, serving) {
      const before = plan?.vips ?? KeyedMap.empty();
      carryOut(planBgp(plan, snapshot, serving, settings, stopped));
      return plan?.vips.changedKeys(before) ?? [];
    },
    planned: () => plan,
    peersOf: (text) => [...new Set([...bgp.announcedTo(text), ...keepersOf(text)])].sort(),
    reasonOf(text) {
      const vip = plan?.vips.get(text);
      if (!vip) return 'noMatchingAdvertisement';
      if (!vip.announce) return vip.reason;
      if (stopped) return 'speakerStopped';
      return plan?.leaving ? 'draining' : 'noBgpSession';
    },
    hasPeers: () => [...(plan?.peers.values() ?? [])].some(({ refused }) => !refused),
    async stop() {
      stopped = true;
      if (plan) {
        const { snapshot, serving } = plan.basis;
        carryOut(planBgp(plan, snapshot, serving, settings, true));
      }
      await bgp.stop(FAREWELL);
    },
  };
}
