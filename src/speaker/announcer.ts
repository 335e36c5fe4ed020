import type { Address } from '../domain/address.ts';
import type { Clock } from '../domain/clock.ts';
import { KeyedMap } from '../domain/keyed-map.ts';
import type { Log } from '../domain/log.ts';
import type { VipServing } from '../domain/observed.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import { type AnnouncePlan, type AnnounceSettings, planAnnounce } from '../plan/announce.ts';
import type { PlannedAnnouncement } from '../plan/announcing/plan-address.ts';
import { Reconciler } from '../reconcile/reconciler.ts';
import { type Failure, failuresOf, type Ports } from './l2/ports.ts';
import type { AnnouncementState, Report } from './report.ts';
import type { Routing } from './routing.ts';

/** A pass that changes more announcements than this is logged as one line. */
const LOGGED_EACH_MAX = 20;

/** Plans announcing by ARP and NDP, has it carried out, and reports how each address stands by all ways. */
export interface Announcer {
  /** After `routing` planned the same; `routed`: what it planned otherwise than before. */
  plan(snapshot: Snapshot, serving: KeyedMap<VipServing>, routed: readonly string[]): void;
  /** Interfaces or peers changed: states anew where these are announced, or all. */
  refresh(texts?: Iterable<string>): void;
  /** Every planned address, by its text. */
  planned(): KeyedMap<PlannedAnnouncement>;
  failures(): readonly Failure[];
  /** Withdraws everything, by all ways, and reports it. */
  stop(): Promise<void>;
}

export interface AnnouncerOptions {
  readonly ports: Ports;
  readonly routing: Pick<Routing, 'peersOf' | 'reasonOf' | 'stop'>;
  readonly report: Report;
  readonly settings: AnnounceSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** Called for an address that is no longer planned at all. */
  readonly onForgotten: (address: Address) => void;
}

/**
 * Before the cluster was read, what the forwarder serves says nothing about which box was chosen: only
 * what this box announced when an earlier speaker died is announced again, or two boxes would be at it.
 */
export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { ports, routing, report, clock, log } = options;
  const lately = new Set(
    [...report.current()].flatMap(([text, { announced, interfaces }]) =>
      announced && interfaces.length > 0 ? [text] : [],
    ),
  );
  let plan: AnnouncePlan | undefined;
  let wanted = KeyedMap.empty<PlannedAnnouncement>();
  let stopped = false;
  const held = new Map<string, PlannedAnnouncement>();

  const reconciler = new Reconciler<PlannedAnnouncement>({
    name: 'announcements',
    target: {
      list: () => [],
      update(key, planned) {
        held.set(key, planned);
        ports.announce(planned.address, planned.interfaces);
      },
      remove(key) {
        const planned = held.get(key);
        if (planned) ports.withdraw(planned.address);
        held.delete(key);
      },
    },
    clock,
    log,
    onPass: (keys) => publish(keys),
  });

  function stateOf(key: string): AnnouncementState | undefined {
    const peers = routing.peersOf(key);
    const planned = plan?.vips.get(key);
    if (!planned) return peers.length > 0 ? heldByPeers(key, peers) : undefined;
    const { address, announce } = planned;
    const interfaces = announce && !stopped ? ports.announcing(address) : [];
    const announced = interfaces.length > 0 || peers.length > 0;
    const reason = announced ? '' : obstacle(key, planned);
    return { address, announced, interfaces, peers, reason };
  }

  /** Before the cluster was read, peers may keep what an earlier speaker told them. */
  function heldByPeers(key: string, peers: readonly string[]): AnnouncementState | undefined {
    const address = report.current().get(key)?.address;
    return address && { address, announced: true, interfaces: [], peers, reason: '' };
  }

  /**
   * A missing interface is said also while another box is the owner: if it were not, this box would be
   * taken for able again as soon as the other is chosen. What keeps peers from a route counts where
   * nothing is to be announced on a link.
   */
  function obstacle(key: string, { reason, announce, interfaces }: PlannedAnnouncement): string {
    if (reason === 'noMatchingAdvertisement') return routing.reasonOf(key);
    const missing = (announce || reason === 'notOwner') && !ports.canAnnounce(interfaces);
    if (missing && !stopped) return 'noInterface';
    return reason || (stopped ? 'speakerStopped' : 'announceFailed');
  }

  function publish(keys: Iterable<string>) {
    const states = [...keys].map((key) => [key, stateOf(key)] as const);
    const flipped = states.filter(
      ([key, state]) =>
        (report.current().get(key)?.announced ?? false) !== (state?.announced ?? false),
    );
    report.set(states);
    logFlipped(flipped, plan?.revision ?? 0, log);
  }

  return {
    plan(snapshot, serving, routed) {
      const before = plan;
      const known = snapshot.revision > 0 ? serving : onlyThose(serving, lately);
      plan = planAnnounce(before, snapshot, known, options.settings);
      const { vips, revision } = plan;
      const changed = vips.changedKeys(before?.vips ?? KeyedMap.empty());
      wanted = wanted.withAll(
        changed.map((key) => [key, vips.get(key)?.announce ? vips.get(key) : undefined] as const),
      );
      reconciler.want(wanted, revision);
      publish(new Set([...changed, ...routed, ...(before ? [] : report.current().keys())]));
      for (const key of changed) {
        const gone = before?.vips.get(key);
        if (gone && !vips.has(key)) options.onForgotten(gone.address);
      }
    },
    refresh: (texts) => publish(texts ?? plan?.vips.keys() ?? []),
    planned: () => plan?.vips ?? KeyedMap.empty(),
    failures: () => failuresOf(reconciler),
    async stop() {
      stopped = true;
      reconciler.want(KeyedMap.empty(), plan?.revision ?? 0);
      await reconciler.stop();
      publish([...(plan?.vips.keys() ?? [])]);
      await routing.stop();
      publish([...(plan?.vips.keys() ?? [])]);
    },
  };
}

function onlyThose(serving: KeyedMap<VipServing>, texts: ReadonlySet<string>) {
  return KeyedMap.from([...serving].filter(([text]) => texts.has(text)));
}

function logFlipped(
  flipped: ReadonlyArray<readonly [string, AnnouncementState | undefined]>,
  revision: number,
  log: Log,
): void {
  if (flipped.length > LOGGED_EACH_MAX) {
    const announced = flipped.filter(([, state]) => state?.announced).length;
    const withdrawn = flipped.length - announced;
    log.info('Announcements changed', { announced, withdrawn, revision });
    return;
  }
  for (const [vip, state] of flipped) {
    const { interfaces = [], peers = [], reason = 'released' } = state ?? {};
    if (state?.announced) log.info('Announcing', { vip, interfaces, peers, revision });
    else log.info('No longer announcing', { vip, reason, revision });
  }
}
