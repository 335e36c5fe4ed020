import { type Address, formatAddress } from '../domain/address.ts';
import type { BgpStatus } from '../domain/bgp/bgp-status.ts';
import type { ClusterSource } from '../domain/cluster-source.ts';
import type { EdgeNode, WithheldVip } from '../domain/edge-node.ts';
import type { KeyedMap } from '../domain/keyed-map.ts';
import type { L2Status } from '../domain/l2-status.ts';
import type { ObjectKey } from '../domain/object.ts';
import { conditionReason } from '../domain/service-conditions.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../domain/snapshot.ts';
import { isObstacleOfBox } from '../plan/announcing/reasons.ts';
import { type Concerned, notServed, type Observed, served, type Verdict } from './observed.ts';

/** An address that goes from one box to another is written as one change, not as two. */
const BOXES_SETTLE_MS = 1000;
/** Boxes named in a message; of more only the number. */
const NAMED_BOXES = 4;

/** What all boxes say of themselves through the cluster: ServiceL2Status, ServiceBGPStatus, EdgeNode. */
export function observeBoxes(source: Pick<ClusterSource, 'current' | 'subscribe'>): Observed {
  const reports = createReports();
  const listeners = new Set<(concerned: Concerned) => void>();
  // Whoever asks first brings the reports up to date; those who listen are told in any case.
  let untold: Concerned = { services: new Set() };
  const refresh = () => {
    untold = both(untold, reports.update(source.current()));
    return reports;
  };
  const unsubscribe = source.subscribe(() => {
    refresh();
    const concerned = untold;
    untold = { services: new Set() };
    if (isNobody(concerned)) return;
    for (const listener of [...listeners]) listener(concerned);
  });
  return {
    serving: (service, address) => servingOf(refresh(), service, address),
    announced: (service, address) => announcedOf(refresh(), service, address),
    announcers: (service) =>
      refresh()
        .announcing(service)
        .map(({ box }) => box),
    settleMs: BOXES_SETTLE_MS,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: unsubscribe,
  };
}

/** The reports, by Service. */
interface Reports {
  update(snapshot: Snapshot): Concerned;
  /** By live boxes, in the order of their names. */
  announcing(service: ObjectKey): readonly Announcer[];
  withheld(service: ObjectKey, text: string): readonly Withheld[];
  boxesAlive(): number;
}

interface Withheld extends WithheldVip {
  readonly box: string;
}

/** A box that announces a Service: on interfaces, to BGP peers, or both. */
interface Announcer {
  readonly box: string;
  readonly interfaces: readonly string[];
  readonly peers: readonly string[];
}

type Stated = L2Status | BgpStatus;

function createReports(): Reports {
  let seen = EMPTY_SNAPSHOT;
  let alive: ReadonlySet<string> = new Set();
  const announcers = new Map<ObjectKey, Map<string, Stated>>();
  const refusals = new Map<ObjectKey, Map<string, readonly Withheld[]>>();

  /** Returns the Services concerned. */
  function noteAll(
    field: 'l2Statuses' | 'bgpStatuses',
    now: Snapshot,
    then: Snapshot,
  ): ObjectKey[] {
    const statuses: KeyedMap<Stated> = now[field];
    const former: KeyedMap<Stated> = then[field];
    return statuses.changedKeys(former).flatMap((key) => {
      const [status, before] = [statuses.get(key), former.get(key)];
      const id = `${field} ${key}`;
      if (before) removeEntry(announcers, before.service, id);
      if (status) addEntry(announcers, status.service, id, status);
      return [status, before].flatMap((one) => one?.service ?? []);
    });
  }

  function noteBox(key: string, box: EdgeNode | undefined, before: EdgeNode | undefined) {
    for (const service of servicesOf(before)) removeEntry(refusals, service, key);
    for (const service of servicesOf(box)) {
      const own = box?.withheld.filter((one) => one.service === service) ?? [];
      addEntry(
        refusals,
        service,
        key,
        own.map((one) => ({ ...one, box: key })),
      );
    }
  }

  function update(snapshot: Snapshot): Concerned {
    const before = seen;
    seen = snapshot;
    const services = new Set<ObjectKey>([
      ...noteAll('l2Statuses', snapshot, before),
      ...noteAll('bgpStatuses', snapshot, before),
    ]);
    const boxes = snapshot.edgeNodes.changedKeys(before.edgeNodes);
    for (const key of boxes) {
      const [now, then] = [snapshot.edgeNodes.get(key), before.edgeNodes.get(key)];
      noteBox(key, now, then);
      for (const service of [...servicesOf(now), ...servicesOf(then)]) services.add(service);
    }
    if (boxes.length === 0) return { services };
    const living = [...snapshot.edgeNodes.values()].filter((box) => box.alive);
    const next = new Set(living.map(({ name }) => name));
    const same = next.size === alive.size && next.isSubsetOf(alive);
    alive = next;
    return same ? { services } : 'all';
  }

  return {
    update,
    announcing(service) {
      const stated = [...(announcers.get(service)?.values() ?? [])];
      const byBox = Map.groupBy(stated, ({ node }) => node);
      return [...byBox]
        .filter(([box]) => alive.has(box))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([box, own]) => ({
          box,
          interfaces: own.flatMap((one) => ('interfaces' in one ? one.interfaces : [])),
          peers: own.flatMap((one) => ('peers' in one ? one.peers : [])),
        }));
    },
    withheld: (service, text) =>
      [...(refusals.get(service)?.values() ?? [])]
        .flat()
        .filter(({ box, address }) => alive.has(box) && address === text)
        .sort((a, b) => (a.box < b.box ? -1 : 1)),
    boxesAlive: () => alive.size,
  };
}

function servingOf(reports: Reports, service: ObjectKey, address: Address): Verdict {
  const text = formatAddress(address);
  const withheld = reports.withheld(service, text);
  if (announcersOf(reports, service, withheld).length > 0) return served(text);
  const refusals = withheld.filter(({ reason }) => isObstacleOfBox(reason));
  const isAble = ({ reason }: Withheld) => !isObstacleOfBox(reason) || reason === 'noInterface';
  if (withheld.some(isAble)) return served(text);
  const [first] = refusals;
  if (first) return notServed(text, first.reason);
  return unknownOf(reports, `No edge box says whether it can serve ${text}`);
}

function announcedOf(reports: Reports, service: ObjectKey, address: Address): Verdict {
  const text = formatAddress(address);
  const withheld = reports.withheld(service, text);
  const by = announcersOf(reports, service, withheld);
  if (by.length > 0) {
    const boxes = by.map((announcer) => `${announcer.box} (${placesOf(announcer)})`);
    return { status: 'True', reason: 'Announced', message: `${text} by ${named(boxes)}` };
  }
  const remedy = 'See by "tidegate explain service" what is missing';
  const [first] = withheld;
  if (first) {
    const boxes = withheld.map(({ box, reason, message }) => `${box}: ${message || reason}`);
    const message = `${text} is not announced (${named(boxes)}). ${remedy}`;
    return { status: 'False', reason: conditionReason(first.reason, 'NotAnnounced'), message };
  }
  if (reports.boxesAlive() === 0) return unknownOf(reports, `Nobody announces ${text}`);
  const message = `No edge box announces ${text}. ${remedy}`;
  return { status: 'False', reason: 'NotAnnounced', message };
}

/** A box announces a Service as a whole; an address that it withholds is excepted. */
function announcersOf(
  reports: Reports,
  service: ObjectKey,
  withheld: readonly Withheld[],
): readonly Announcer[] {
  return reports
    .announcing(service)
    .filter((announcer) => !withheld.some(({ box }) => box === announcer.box));
}

/** `eth0, eth1; BGP peers tor-a, tor-b` */
function placesOf({ interfaces, peers }: Announcer): string {
  const ofPeers = `BGP ${peers.length === 1 ? 'peer' : 'peers'} ${peers.join(', ')}`;
  return [
    ...(interfaces.length > 0 ? [interfaces.join(', ')] : []),
    ...(peers.length > 0 ? [ofPeers] : []),
  ].join('; ');
}

function unknownOf(reports: Reports, message: string): Verdict {
  if (reports.boxesAlive() > 0) {
    const remedy = 'See by "tidegate explain service" on a box';
    return { status: 'Unknown', reason: 'notReported', message: `${message}. ${remedy}` };
  }
  const remedy = 'No edge box is alive: see "kubectl get edgenodes"';
  return { status: 'Unknown', reason: 'noBoxAlive', message: `${message}. ${remedy}` };
}

function named(boxes: readonly string[]): string {
  const more = boxes.length - NAMED_BOXES;
  const list = boxes.slice(0, NAMED_BOXES).join(', ');
  return more > 0 ? `${list} and ${more} more` : list;
}

function servicesOf(box: EdgeNode | undefined): ReadonlySet<ObjectKey> {
  return new Set(box?.withheld.map(({ service }) => service));
}

function both(a: Concerned, b: Concerned): Concerned {
  if (a === 'all' || b === 'all' || !('services' in a) || !('services' in b)) return 'all';
  return { services: new Set(a.services).union(new Set(b.services)) };
}

function isNobody(concerned: Concerned): boolean {
  return concerned !== 'all' && 'services' in concerned && [...concerned.services].length === 0;
}

function addEntry<V>(
  index: Map<ObjectKey, Map<string, V>>,
  service: ObjectKey,
  key: string,
  value: V,
) {
  const entries = index.get(service) ?? new Map<string, V>();
  index.set(service, entries.set(key, value));
}

function removeEntry(index: Map<ObjectKey, Map<string, unknown>>, service: ObjectKey, key: string) {
  const entries = index.get(service);
  entries?.delete(key);
  if (entries?.size === 0) index.delete(service);
}
