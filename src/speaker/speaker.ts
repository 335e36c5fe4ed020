import { join } from 'node:path';
import type { Clock } from '../domain/clock.ts';
import type { ClusterSource } from '../domain/cluster-source.ts';
import type { KeyedMap } from '../domain/keyed-map.ts';
import type { Log } from '../domain/log.ts';
import type { VipAnnouncement } from '../domain/observed.ts';
import type { Role } from '../domain/role.ts';
import type { PlannedAnnouncement } from '../plan/announcing/plan-address.ts';
import type { BgpPlan } from '../plan/bgp.ts';
import type { Link } from '../protocol/rtnetlink/link.ts';
import { lockFile } from '../system/process-lock.ts';
import { openRtnetlink } from '../system/rtnetlink.ts';
import { openGroupSocket, openSocket } from '../system/sockets.ts';
import { connectTcp } from '../system/tcp/connect-tcp.ts';
import { listenTcp } from '../system/tcp/listen-tcp.ts';
import { createAnnouncer } from './announcer.ts';
import type { Bfd } from './bfd/bfd.ts';
import { startBfd } from './bfd/start-bfd.ts';
import { type BgpSpeaker, startBgp } from './bgp/bgp-speaker.ts';
import { discoverNeighbour } from './bgp/place/neighbour-discovery.ts';
import { unmatchedPatterns } from './l2/choose-links.ts';
import { createCounterTable, type VipCounters } from './l2/counters.ts';
import { watchLinks } from './l2/link-watch.ts';
import type { PortStatus } from './l2/port.ts';
import { type Failure, openPorts } from './l2/ports.ts';
import { openReport } from './report.ts';
import { createRouting } from './routing.ts';
import { watchServing } from './serving-watch.ts';
import type { SpeakerSettings } from './settings.ts';

export interface SpeakerDeps {
  readonly settings: SpeakerSettings;
  readonly source: ClusterSource;
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1); spreads refreshes. */
  readonly random: () => number;
}

/** The running role, and what the admin API and metrics show of it. Maps are keyed by address text. */
export interface Speaker extends Role {
  readonly name: 'speaker';
  readonly bgp: SpeakerBgp;
  announcements(): ReadonlyMap<string, VipAnnouncement>;
  /** By which advertisements, and who was chosen. */
  planned(): KeyedMap<PlannedAnnouncement>;
  counters(): ReadonlyMap<string, VipCounters>;
  interfaces(): readonly PortStatus[];
  /** Why what is wanted does not work, for example a group that cannot be joined. */
  failures(): readonly Failure[];
}

/** What is shown of BGP and BFD. */
export interface SpeakerBgp
  extends Pick<BgpSpeaker, 'sessions' | 'routesTo' | 'receivedFrom' | 'hasLeft' | 'onChange'> {
  /** `undefined` before the first plan. */
  planned(): BgpPlan | undefined;
  readonly bfd: Pick<Bfd, 'sessions' | 'drops' | 'onChange'>;
}

const LOCK = 'speaker.lock';

/**
 * Starts to announce what the cluster allocated and the forwarder serves. Resolves when everything
 * known by now is announced, as far as it can be; the rest is tried again (`failures`). Rejects with
 * `ELOCKED` when another speaker runs on this box, and with errors of the run directory and netlink.
 */
export async function startSpeaker(deps: SpeakerDeps): Promise<Speaker> {
  const { settings, clock, log } = deps;
  const lock = lockFile(join(settings.runDir, LOCK));
  const report = await openReport(settings.runDir, lock, clock, log).catch((error) => {
    lock.release();
    throw error;
  });
  const wire = { openPacketSocket: openSocket, openGroupSocket };
  const bfd = startBfd({ clock, log: log.child({ part: 'bfd' }) });
  const bgp = await startBgp({
    ...deps,
    settings: settings.bgp,
    node: settings.box.name,
    runDir: settings.runDir,
    log: log.child({ part: 'bgp' }),
    tcp: { connect: connectTcp, listen: listenTcp },
    openRtnetlink,
    discover: (name, onNeighbour) =>
      discoverNeighbour({ ...deps, wire, openRtnetlink }, name, onNeighbour),
    bfd,
    onTold: (texts) => announcer.refresh(texts),
  }).catch(async (error) => {
    await report.close();
    throw error;
  });
  const routing = createRouting({ bgp, settings, lately: new Map(report.current()) });
  const counters = createCounterTable();
  const ports = openPorts({
    ...deps,
    patterns: settings.interfaces,
    gratuitous: settings.gratuitous,
    counters,
    wire,
    onChange: () => announcer.refresh(),
  });
  const announcer = createAnnouncer({
    ports,
    routing,
    report,
    settings,
    clock,
    log,
    onForgotten: counters.forget,
  });
  let links: readonly Link[] = [];
  const linkWatch = await watchLinks(openRtnetlink, log, (now) => {
    links = now;
    ports.follow(now);
  }).catch(async (error) => {
    await bgp.stop('');
    await report.close();
    throw error;
  });
  warnOfUnmatched(links, settings, log);

  const plan = () => {
    const snapshot = deps.source.current();
    const routed = routing.plan(snapshot, serving.current());
    announcer.plan(snapshot, serving.current(), routed);
    if (snapshot.revision > 0 && serving.hasSpoken()) bgp.completeTable();
  };
  const serving = watchServing(settings.runDir, plan);
  const unsubscribe = deps.source.subscribe(plan);
  plan();
  // From then on, peers that have not come back do not keep the routes of a speaker that died.
  const cancelRestart = clock.after(settings.bgp.restartTimeMs, () =>
    announcer.refresh([...report.current().keys()]),
  );

  return {
    name: 'speaker',
    bgp: { ...bgp, planned: routing.planned, bfd },
    readiness: () =>
      ports.status().length > 0 || routing.hasPeers()
        ? { ready: true, reason: '' }
        : { ready: false, reason: `${noInterface(settings)}, and no BGPPeer is for this box` },
    announcements: () => report.current(),
    planned: () => announcer.planned(),
    counters: () =>
      new Map([...announcer.planned()].map(([text, { address }]) => [text, counters.get(address)])),
    interfaces: () => ports.status(),
    failures: () => [...ports.failures(), ...announcer.failures()],
    async stop() {
      unsubscribe();
      cancelRestart();
      serving.close();
      linkWatch.close();
      await announcer.stop();
      await ports.close();
      await report.close();
    },
  };
}

function noInterface({ interfaces }: SpeakerSettings): string {
  return interfaces.length === 0
    ? 'No Ethernet interface is up'
    : `No interface that is up is named ${interfaces.map((name) => `"${name}"`).join(' or ')}`;
}

function warnOfUnmatched(links: readonly Link[], settings: SpeakerSettings, log: Log): void {
  for (const pattern of unmatchedPatterns(links, settings.interfaces)) {
    log.warn('No interface has this name now; waiting for one', { interface: pattern });
  }
}
