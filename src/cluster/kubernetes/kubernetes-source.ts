import type { Clock } from '../../domain/clock.ts';
import type { ClusterSource } from '../../domain/cluster-source.ts';
import type { ClusterState } from '../../domain/cluster-state.ts';
import type { Log } from '../../domain/log.ts';
import { objectKey } from '../../domain/object.ts';
import type { Problem } from '../../domain/problem.ts';
import type { RoleName } from '../../domain/role.ts';
import type { LoadBalancerClass } from '../../domain/service-class.ts';
import type { KubernetesPart } from '../../settings/settings.ts';
import { createBreather } from '../breathe.ts';
import { logProblems } from '../log-problems.ts';
import { createStore } from '../store.ts';
import { createLateLeadership } from './leader/late-leadership.ts';
import { createContact } from './reading/contact.ts';
import { kindsToRead } from './reading/kinds.ts';
import { type Memory, openMemory } from './reading/remembered.ts';
import { type Reading, startReading } from './reading.ts';
import { createServiceStatuses } from './status/service-statuses.ts';
import { type ApiConnection, openConnection } from './transport/connection.ts';
import { LEASE_NAME, startWriting, type Writing } from './writing.ts';

export interface KubernetesSourceOptions {
  /** Decide what is read, and whether anything is written. */
  readonly roles: readonly RoleName[];
  /** Name of this box. */
  readonly node: string;
  readonly version: string;
  readonly settings: KubernetesPart;
  /** Which Services a controller serves. */
  readonly ours: LoadBalancerClass;
  /** File where what was last seen is remembered; roles that act on this box alone need it. */
  readonly memoryFile: string;
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1). */
  readonly random: () => number;
}

/** A source that knows how its reading goes. */
export interface KubernetesSource extends ClusterSource {
  state(): ClusterState;
}

/** When the API server has not told everything by then, what an earlier process saw is in force. */
export const RECALL_AFTER_MS = 1000;

/**
 * The cluster from its API server. Resolves at once: the first snapshot comes when every kind that is
 * needed has been read, or, marked as remembered, when that takes long and an earlier process has left
 * what it saw. From there on nothing but the server's own word takes anything away. Rejects with
 * ApiError (`Credentials`) when the kubeconfig cannot be used.
 */
export async function openKubernetesSource(
  options: KubernetesSourceOptions,
): Promise<KubernetesSource> {
  const { roles, version, settings, clock, log } = options;
  const { kubeconfig, context } = settings;
  const userAgent = `tidegate/${version} (${roles.join(', ')})`;
  const connection = await openConnection({ kubeconfig, context, userAgent, clock, log });
  const breathe = createBreather(clock);
  const isRemembering = roles.includes('forwarder') || roles.includes('speaker');
  const memory = isRemembering ? await memoryOf(options, breathe) : undefined;
  return createKubernetesSource(options, { connection, memory, breathe });
}

async function memoryOf(
  { memoryFile: path, clock, log }: KubernetesSourceOptions,
  breathe: () => Promise<void> | undefined,
): Promise<Memory | undefined> {
  try {
    return await openMemory({ path, breathe, clock, log });
  } catch (error) {
    log.warn('Cannot remember the cluster; a restart while the API server is away loses it', {
      path,
      error,
    });
    return undefined;
  }
}

/** What a source is made of. */
export interface SourceParts {
  /** Closed by `stop`, as is the memory. */
  readonly connection: ApiConnection;
  readonly memory: Memory | undefined;
  readonly breathe: () => Promise<void> | undefined;
}

/** As `openKubernetesSource`, over parts that are open. */
export function createKubernetesSource(
  options: KubernetesSourceOptions,
  parts: SourceParts,
): KubernetesSource {
  const { roles, settings, clock, log } = options;
  const { connection, memory } = parts;
  const store = createStore();
  const server = () => connection.server;
  const startedMs = clock.monotonicMs();
  const contact = createContact({ server, clock, log });
  const leadership = createLateLeadership();
  const release = store.hold();
  const stopLog = logProblems(store, log);
  let cluster: string | undefined;
  let isComplete = false;
  let writing: Writing | undefined;
  let stopped: Promise<void> | undefined;

  const statuses = createServiceStatuses({
    store,
    clock,
    eventsOf: (uid) => writing?.eventsOf(uid) ?? [],
  });
  const reading: Reading = startReading({
    kinds: kindsToRead({ ...settings, roles, node: options.node }),
    metallbNamespace: settings.metallbNamespace,
    ...parts,
    store,
    idleTimeoutMs: settings.idleTimeoutMs,
    lifetimeMs: settings.heartbeat.lifetimeMs,
    statuses,
    clock,
    log,
    random: options.random,
    onCluster(uid) {
      cluster = uid;
      memory?.setCluster({ server: server(), uid });
    },
    onComplete,
    onChange: () => contact.update(reading.troubles()),
  });
  const cancelRecall = clock.after(RECALL_AFTER_MS, () => void recall());

  function onComplete() {
    isComplete = true;
    cancelRecall();
    store.setRemembered(false);
    release();
    memory?.keepOnly(reading.keys());
    const ms = clock.monotonicMs() - startedMs;
    log.info('The cluster has been read', { server: server(), ms });
    if (roles.includes('controller')) lead();
  }

  function lead() {
    writing = startWriting({
      connection,
      ...settings,
      durations: settings.lease,
      node: options.node,
      ours: options.ours,
      statuses,
      service: (key) => store.current().services.get(key),
      current: store.current,
      take: reading.take,
      relist: () => reading.relist(['Service', 'Namespace', 'IPAddressPool']),
      publish: store.publish,
      clock,
      log,
      random: options.random,
    });
    leadership.begin(writing.leadership);
  }

  function leaseProblems(): Problem[] {
    const why = leadership.problem();
    if (why === '') return [];
    const key = objectKey(settings.namespace, LEASE_NAME);
    const message = `It cannot be read or written, and nobody can lead: ${why}`;
    const remedy = 'Look at the API server; where it refuses, apply config/deploy/rbac/controller';
    return [{ severity: 'error', object: { kind: 'Lease', key }, message, remedy }];
  }

  async function recall() {
    if (!memory || isComplete) return;
    const visit = { object: reading.recall, life: reading.recallLife };
    const isWanted = () => !isComplete && stopped === undefined;
    const found = await memory.recall(server(), visit, isWanted).catch((error) => {
      log.warn('Cannot read what was seen of the cluster before', { error });
      return undefined;
    });
    if (!found || !isWanted() || (cluster ?? found.uid) !== found.uid) return;
    log.warn('Going on with what was seen of the cluster before', { server: server() });
    store.setRemembered(true);
    release();
  }

  async function stop() {
    cancelRecall();
    contact.stop();
    await writing?.stop();
    await reading.stop();
    statuses.stop();
    await memory?.close();
    await connection.close();
    stopLog();
  }

  return {
    current: store.current,
    subscribe: store.subscribe,
    leadership,
    writeStatuses: (changes) => writing?.writeStatuses(changes) ?? Promise.reject(readOnly()),
    reportConfiguration: (report) => writing?.reportConfiguration(report),
    state: () => ({
      server: server(),
      synced: isComplete,
      problems: contact.problems(),
      unwritable: contact.isCutOff() ? [] : leaseProblems(),
      troubleMs: contact.troubleMs(),
      kinds: reading.kinds(),
    }),
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

function readOnly(): Error {
  const message = 'Cannot write Service status: this process does not write, or not yet';
  return Object.assign(new Error(message), { code: 'EROFS' });
}
