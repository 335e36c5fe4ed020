import { isDeepStrictEqual } from 'node:util';
import type { KeyedMap } from '../domain/keyed-map.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { Problem } from '../domain/problem.ts';
import type { ServiceStatus } from '../domain/service.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../domain/snapshot.ts';
import { createAnnouncer } from './announcer.ts';
import {
  type Claim,
  choose,
  duplicateProblems,
  type Holder,
  identityOf,
  sameObject,
} from './claim.ts';
import type { ClusterObject } from './decode/cluster-object.ts';
import { createEndpointsIndex } from './endpoints-index.ts';

/**
 * All objects of a source, composed into snapshots. All changes of one turn of the event loop become
 * one revision; an object that says what it said before stays the same object.
 */
export interface Store {
  current(): Snapshot;
  /** Calls back with each new snapshot in a later turn; the returned function unsubscribes. */
  subscribe(listener: (snapshot: Snapshot) => void): () => void;
  /** Where an object stands once (in an API): puts it in the place of what stood there before. */
  put(before: ClusterObject | undefined, now: ClusterObject | undefined): void;
  /** Puts these in the place of all problems told of the same origin. */
  tell(origin: string, problems: readonly Problem[]): void;
  /** Whether what stands here is what an earlier process saw. */
  setRemembered(remembered: boolean): void;
  /** Until the returned function is called there are no new revisions; then there is one. */
  hold(): () => void;
  /**
   * Where an object may stand several times (in files): puts this in the place of everything that
   * `document` has said. Returns the identities of all objects for which another claim may count now.
   */
  replace(
    document: string,
    claims: readonly Claim[],
    problems: readonly Problem[],
  ): ReadonlySet<string>;
  setStatuses(changes: Iterable<readonly [ObjectKey, ServiceStatus | undefined]>): void;
  /** What counts for an object at the moment, also before it is published. */
  inForce(identity: string): Holder | undefined;
  /** Makes changes visible in `current()` now, instead of at the end of this turn. */
  publish(): Snapshot;
}

/** Problems in a snapshot; a last one tells how many more there are. */
const MAX_PROBLEMS = 1000;

const FIELDS = {
  Service: 'services',
  Node: 'nodes',
  Namespace: 'namespaces',
  Pod: 'pods',
  Secret: 'secrets',
  IPAddressPool: 'pools',
  L2Advertisement: 'l2Advertisements',
  EdgeNode: 'edgeNodes',
  ServiceL2Status: 'l2Statuses',
  BGPPeer: 'bgpPeers',
  BGPAdvertisement: 'bgpAdvertisements',
  BFDProfile: 'bfdProfiles',
  Community: 'communities',
  ServiceBGPStatus: 'bgpStatuses',
} as const;

type MapField = (typeof FIELDS)[keyof typeof FIELDS] | 'statuses' | 'endpoints';
type Changes = Map<ObjectKey, unknown>;

export function createStore(): Store {
  const announcer = createAnnouncer<Snapshot>();
  const claims = createClaims(onObject);
  const endpoints = createEndpointsIndex();
  const pending = new Map<MapField, Changes>();
  const problems = new Map<string, readonly Problem[]>();
  let problemsChanged = false;
  let remembered = false;
  let scheduled = false;
  let holds = 0;
  let snapshot = EMPTY_SNAPSHOT;

  function schedule() {
    if (!scheduled) setImmediate(publish);
    scheduled = true;
  }

  function set(field: MapField, key: ObjectKey, value: unknown) {
    const changes = pending.get(field) ?? new Map();
    pending.set(field, changes.set(key, value));
    schedule();
  }

  function onObject(before: ClusterObject | undefined, now: ClusterObject | undefined) {
    const kind = (now ?? before)?.kind;
    if (kind === undefined) return;
    if (kind === 'EndpointSlice' || kind === 'Endpoints') {
      for (const key of endpoints.replace(before, now)) set('endpoints', key, endpoints.get(key));
      return;
    }
    if (before) set(FIELDS[kind], before.value.key, undefined);
    if (now) set(FIELDS[kind], now.value.key, now.value);
  }

  function setProblems(origin: string, told: readonly Problem[]) {
    if (isDeepStrictEqual(problems.get(origin) ?? [], told)) return;
    if (told.length > 0) problems.set(origin, told);
    else problems.delete(origin);
    problemsChanged = true;
    schedule();
  }

  function settle() {
    for (const [identity, told] of claims.settle()) setProblems(`duplicates of ${identity}`, told);
  }

  function publish(): Snapshot {
    scheduled = false;
    if (holds > 0) return snapshot;
    settle();
    const next = {
      ...snapshot,
      ...Object.fromEntries(
        [...pending].map(([field, changes]) => [field, applied(field, changes)]),
      ),
      problems: problemsChanged ? composeProblems(problems) : snapshot.problems,
      remembered,
    };
    pending.clear();
    problemsChanged = false;
    // The first one counts even when it is empty: it says that there is nothing.
    if (snapshot.revision > 0 && isShallowEqual(next, snapshot)) return snapshot;
    snapshot = { ...next, revision: snapshot.revision + 1 };
    announcer.announce(snapshot);
    return snapshot;
  }

  function applied(field: MapField, changes: Changes) {
    return (snapshot[field] as KeyedMap<unknown>).withAll(changes);
  }

  return {
    current: () => snapshot,
    subscribe: announcer.subscribe,
    put: onObject,
    tell: setProblems,
    setRemembered(isRemembered) {
      remembered = isRemembered;
      schedule();
    },
    hold() {
      let isHeld = true;
      holds += 1;
      return () => {
        if (isHeld) holds -= 1;
        isHeld = false;
        publish();
      };
    },
    replace(document, said, told) {
      setProblems(document, told);
      const concerned = claims.replace(document, said);
      if (concerned.size > 0) schedule();
      return concerned;
    },
    setStatuses(changes) {
      for (const [key, status] of changes) {
        const waiting = pending.get('statuses');
        const before = waiting?.has(key) ? waiting.get(key) : snapshot.statuses.get(key);
        if (!isDeepStrictEqual(before, status)) set('statuses', key, status);
      }
    },
    inForce(identity) {
      settle();
      return claims.inForce(identity);
    },
    publish,
  };
}

/**
 * Who claims what, and which claim counts. That is settled when all documents of a turn have said what
 * they say, so that their order does not matter. Calls back when another object counts than before.
 */
function createClaims(
  onObject: (before: ClusterObject | undefined, now: ClusterObject | undefined) => void,
) {
  const documents = new Map<string, readonly Claim[]>();
  const holders = new Map<string, readonly Holder[]>();
  const counting = new Map<string, Holder>();
  const unsettled = new Set<string>();

  function settleOne(identity: string): Problem[] {
    const before = counting.get(identity);
    const candidates = holders.get(identity) ?? [];
    const chosen = choose(candidates, before);
    if (chosen === undefined) {
      counting.delete(identity);
      onObject(before?.claim.object, undefined);
      return [];
    }
    const same = before && sameObject(before.claim.object, chosen.claim.object);
    const object = same ? before.claim.object : chosen.claim.object;
    counting.set(identity, { ...chosen, claim: { ...chosen.claim, object } });
    if (!same) onObject(before?.claim.object, object);
    return duplicateProblems(candidates, chosen);
  }

  return {
    inForce: (identity: string) => counting.get(identity),
    /** Returns the problems that each object touched since has now. */
    settle(): Array<[identity: string, problems: Problem[]]> {
      const touched = [...unsettled];
      unsettled.clear();
      return touched.map((identity) => [identity, settleOne(identity)]);
    },
    /** Returns the identities concerned. */
    replace(document: string, said: readonly Claim[]): Set<string> {
      const before = groupByIdentity(documents.get(document) ?? []);
      const now = groupByIdentity(said);
      if (said.length > 0) documents.set(document, said);
      else documents.delete(document);
      const concerned = new Set<string>();
      for (const identity of new Set([...before.keys(), ...now.keys()])) {
        const mine = now.get(identity) ?? [];
        if (isShallowEqual(mine, before.get(identity) ?? [])) continue;
        const others = (holders.get(identity) ?? []).filter((one) => one.document !== document);
        const all = [...others, ...mine.map((claim) => ({ document, claim }))].sort(byDocument);
        if (all.length > 0) holders.set(identity, all);
        else holders.delete(identity);
        unsettled.add(identity);
        concerned.add(identity);
      }
      return concerned;
    },
  };
}

function groupByIdentity(claims: readonly Claim[]): Map<string, Claim[]> {
  return Map.groupBy(claims, ({ object }) => identityOf(object.kind, object.value.key));
}

function byDocument(a: Holder, b: Holder): number {
  return a.document < b.document ? -1 : a.document > b.document ? 1 : 0;
}

/** Equal keys with identical values. */
function isShallowEqual(a: object, b: object): boolean {
  const [left, right] = [Object.entries(a), Object.entries(b)];
  return left.length === right.length && left.every(([key, value]) => (b as never)[key] === value);
}

function composeProblems(problems: ReadonlyMap<string, readonly Problem[]>): readonly Problem[] {
  const all = [...problems.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, told]) => told);
  if (all.length <= MAX_PROBLEMS) return all;
  const more: Problem = {
    severity: 'error',
    message: `There are ${all.length - MAX_PROBLEMS} more problems`,
    remedy: 'Mend the first ones, and the others are shown',
  };
  return [...all.slice(0, MAX_PROBLEMS), more];
}
