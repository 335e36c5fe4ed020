import type { Clock } from '../../domain/clock.ts';
import type { KindState } from '../../domain/cluster-state.ts';
import type { Log } from '../../domain/log.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { Kind } from '../decode/cluster-object.ts';
import type { Store } from '../store.ts';
import { type BoxLife, createBoxLife } from './reading/box-life.ts';
import type { Trouble } from './reading/contact.ts';
import { createFeed, type Feed, type FeedOptions } from './reading/feed.ts';
import { createClusterIdentity } from './reading/identity.ts';
import { isSurelyMissing } from './reading/installed.ts';
import { kindStateOf } from './reading/kind-state.ts';
import type { CustomResource, KindToRead, ReadKind } from './reading/kinds.ts';
import type { Memory } from './reading/remembered.ts';
import { createSecrets } from './reading/secrets.ts';
import { createCompany } from './reflector/company.ts';
import { type Reflector, startReflector } from './reflector/reflector.ts';
import type { ServiceStatuses } from './status/service-statuses.ts';
import { ApiError } from './transport/api-error.ts';
import type { ApiConnection } from './transport/connection.ts';

export interface ReadingOptions {
  readonly kinds: readonly KindToRead[];
  /** Where Secrets are that objects refer to. */
  readonly metallbNamespace: string;
  readonly connection: ApiConnection;
  readonly idleTimeoutMs: number;
  /** Of boxes' heartbeats. */
  readonly lifetimeMs: number;
  readonly store: Pick<Store, 'put' | 'tell'>;
  readonly statuses: ServiceStatuses;
  readonly memory: Memory | undefined;
  readonly breathe: () => Promise<void> | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1). */
  readonly random: () => number;
  /** Called once: the uid of the namespace kube-system. */
  readonly onCluster: (uid: string) => void;
  /** Called once: every kind has been read completely, or is surely not there. */
  readonly onComplete: () => void;
  /** Something can be read that could not, or the other way round. */
  readonly onChange: () => void;
}

/** Reads all kinds that a process needs. */
export interface Reading {
  kinds(): readonly KindState[];
  troubles(): readonly Trouble[];
  /** An answer to a request of ours. */
  take: Feed['take'];
  /** An object, or whether a box lives, as an earlier process saw it. */
  recall(kind: string, key: ObjectKey, object: unknown): void;
  recallLife: BoxLife['recall'];
  /** What there is, by kind. */
  keys(): ReadonlyMap<Kind, ReadonlySet<ObjectKey>>;
  /** Makes fresh complete lists of these kinds, as far as they are installed. Rejects when one fails. */
  relist(kinds: readonly ReadKind[]): Promise<void>;
  stop(): Promise<void>;
}

/** One kind, being read. */
interface Reader {
  readonly toRead: KindToRead;
  readonly feed: Feed | undefined;
  readonly reflector: Reflector;
  /** Its definition is surely missing. */
  isMissing: boolean;
  isAsking: boolean;
}

export function startReading(options: ReadingOptions): Reading {
  const { connection, clock, log, memory } = options;
  const identity = createClusterIdentity(connection, options.onCluster);
  const life = createBoxLife({
    lifetimeMs: options.lifetimeMs,
    ...{ clock, memory },
    onChange: (box) => feedOf('EdgeNode')?.refresh(box),
  });
  const readers: Reader[] = [];
  const company = createCompany(clock, options.random);
  let isComplete = false;
  const feedOf = (kind: string) => readers.find(({ toRead }) => toRead.kind === kind)?.feed;

  const secrets = createSecrets({
    ...{ connection, clock, namespace: options.metallbNamespace, random: options.random },
    ...{ store: options.store, breathe: options.breathe, log: quiet(log) },
    idleTimeoutMs: options.idleTimeoutMs,
    confirm: identity.confirm,
    onRestored: () => readAgain('Secret'),
    join: company.join,
    onState,
  });
  const store: FeedOptions['store'] = {
    tell: options.store.tell,
    put(before, now) {
      options.store.put(before, now);
      secrets.note(before, now);
    },
  };

  function start(toRead: KindToRead) {
    const { kind, path, labelSelector, fieldSelector } = toRead;
    const feed = kind === 'Lease' ? undefined : feedFor(kind, life);
    const reflector = startReflector({
      ...{ kind, connection, path, clock, random: options.random },
      ...(labelSelector !== undefined && { labelSelector }),
      ...(fieldSelector !== undefined && { fieldSelector }),
      ...(feed && { trim: feed.trim }),
      idleTimeoutMs: options.idleTimeoutMs,
      log: quiet(log),
      sink: feed?.sink ?? life.sink,
    });
    const reader: Reader = { toRead, feed, reflector, isMissing: false, isAsking: false };
    readers.push(reader);
    company.join(reflector);
    reflector.onState(() => {
      if (isUnknown(reader)) void askWhetherMissing(reader);
      onState();
    });
  }

  function feedFor(kind: Kind, { complete }: BoxLife): Feed {
    return createFeed({
      ...{ kind, clock, memory, store },
      breathe: options.breathe,
      confirm: identity.confirm,
      onRestored: () => readAgain(kind),
      ...(kind === 'Service' && { statuses: options.statuses }),
      ...(kind === 'EdgeNode' && { complete }),
    });
  }

  /** The history of the cluster is another: what a watch says builds on what is not there any more. */
  function readAgain(except: Kind) {
    log.warn('The API server has gone back in time; everything is read again', {
      server: connection.server,
    });
    for (const { toRead, feed, reflector } of readers) {
      if (toRead.kind === except || !reflector.state().synced) continue;
      feed?.distrust();
      // One that fails is made again by the reflector.
      reflector.relist().catch(() => undefined);
    }
    secrets.readAgain();
  }

  function onState() {
    options.onChange();
    checkComplete();
  }

  async function askWhetherMissing(reader: Reader) {
    const { custom, kind } = reader.toRead;
    if (!custom || reader.isMissing || reader.isAsking) return;
    reader.isAsking = true;
    try {
      await identity.confirm();
      reader.isMissing = await isSurelyMissing(connection, custom);
      if (!reader.isMissing || reader.reflector.state().synced) return;
      reader.feed?.clear();
      const remedy = `Where it is wanted: kubectl apply --server-side ${definitionOf(custom)}`;
      log.info(`${kind} is not installed; it is read as soon as it is`, { kind, remedy });
      checkComplete();
    } catch {
      // It is asked again after the next try to list the kind.
    } finally {
      reader.isAsking = false;
      options.onChange();
    }
  }

  function checkComplete() {
    if (isComplete || !readers.every(isRead) || !secrets.isSettled()) return;
    isComplete = true;
    options.onComplete();
  }

  for (const toRead of options.kinds) start(toRead);
  return {
    kinds() {
      const nowMs = clock.monotonicMs();
      const ofSecrets = secrets.state();
      return [
        ...readers.map((reader) => stateOf(reader, nowMs)),
        ...(ofSecrets ? [ofSecrets] : []),
      ];
    },
    troubles: () => [...readers.flatMap(troubleOf), ...secrets.troubles()],
    take: (object) => feedOf('Service')?.take(object),
    recall: (kind, key, object) => feedOf(kind)?.recall(key, object),
    recallLife: life.recall,
    keys: () =>
      new Map(
        readers.flatMap(({ toRead: { kind }, feed }) =>
          feed && kind !== 'Lease' ? [[kind, new Set(feed.keys())] as const] : [],
        ),
      ),
    async relist(kinds) {
      const wanted = readers.filter(({ toRead }) => kinds.includes(toRead.kind));
      const present = wanted.filter((reader) => !reader.isMissing || isSynced(reader));
      await Promise.all(present.map(({ reflector }) => reflector.relist()));
    },
    async stop() {
      company.stop();
      await Promise.all([secrets.stop(), ...readers.map(({ reflector }) => reflector.stop())]);
    },
  };
}

/** Where the definition is, as arguments of kubectl. */
function definitionOf({ group }: CustomResource): string {
  return group === 'metallb.io' ? '-k config/deploy/metallb-kinds' : '-k config/crds';
}

function isSynced({ reflector }: Reader): boolean {
  return reflector.state().synced;
}

function isRead(reader: Reader): boolean {
  return reader.isMissing || isSynced(reader) || isPassedOver(reader);
}

/** A few seconds: a server that is starting refuses what it allows a moment later. */
const REFUSALS_UNTIL_PASSED_OVER = 5;

/** Whether the server, which answers, refuses again and again to have a kind read that is not needed. */
function isPassedOver({ toRead, reflector }: Reader): boolean {
  const { failures, lastError } = reflector.state();
  if (!toRead.isOptional || failures < REFUSALS_UNTIL_PASSED_OVER) return false;
  return lastError instanceof ApiError && (lastError.status === 403 || lastError.status === 500);
}

/** Whether the server, or whatever answers there, says that it does not know the kind. */
function isUnknown({ toRead, reflector }: Reader): boolean {
  const { lastError } = reflector.state();
  return toRead.custom !== undefined && lastError instanceof ApiError && lastError.status === 404;
}

function troubleOf(reader: Reader): readonly Trouble[] {
  const { failures, lastError: error } = reader.reflector.state();
  const isNormal = isUnknown(reader) && (reader.isMissing || reader.isAsking);
  const isTrouble = failures > 0 && !isNormal;
  return isTrouble && error ? [{ kind: reader.toRead.kind, error }] : [];
}

function stateOf({ toRead, feed, reflector, isMissing }: Reader, nowMs: number): KindState {
  const facts = { kind: toRead.kind, isMissing, objects: feed?.size ?? 0, nowMs };
  return kindStateOf(reflector.state(), facts);
}

/** Each kind's own words are for those who look closely: contact.ts tells the whole. */
function quiet(log: Log): Log {
  return { ...log, info: log.debug, warn: log.debug, child: (fields) => quiet(log.child(fields)) };
}
