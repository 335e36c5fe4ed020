import type { Clock } from '../../domain/clock.ts';
import type { ClusterSource } from '../../domain/cluster-source.ts';
import type { Log } from '../../domain/log.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { Service, ServiceEvent } from '../../domain/service.ts';
import type { LoadBalancerClass } from '../../domain/service-class.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import { watchLostBoxes } from './box/lost-boxes.ts';
import type { KubeObject } from './kube-object.ts';
import { fenceJournal, isExposed } from './leader/fence-journal.ts';
import type { LeaseDurations } from './leader/leader.ts';
import { startLeader } from './leader/start-leader.ts';
import type { ServiceStatuses } from './status/service-statuses.ts';
import type { StatusBase } from './status/status-base.ts';
import type { ApiConnection } from './transport/connection.ts';
import { createConfigurationReporter } from './write/configuration-reporter.ts';
import { createEventRecorder } from './write/event-recorder.ts';
import { FIELD_MANAGER } from './write/field-manager.ts';
import { createStatusWriter } from './write/status-writer.ts';
import { unclaimed } from './write/unclaimed.ts';

export interface WritingOptions {
  readonly connection: ApiConnection;
  /** Of the Lease. */
  readonly namespace: string;
  readonly metallbNamespace: string;
  readonly durations: LeaseDurations;
  /** Of the boxes. */
  readonly heartbeat: { readonly intervalMs: number };
  /** Name of this box, or of the Pod that this runs in. */
  readonly node: string;
  readonly statuses: ServiceStatuses;
  readonly current: () => Snapshot;
  readonly service: (key: ObjectKey) => Service | undefined;
  readonly ours: LoadBalancerClass;
  /** A Service as the API server has just answered it. */
  readonly take: (object: KubeObject) => void;
  /** Makes complete lists of all that allocation is decided on. */
  readonly relist: () => Promise<void>;
  /** Makes what was taken visible. */
  readonly publish: () => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

/** The controller's side of a source: it stands for leadership, and writes while it leads. */
export interface Writing
  extends Pick<ClusterSource, 'leadership' | 'writeStatuses' | 'reportConfiguration'> {
  eventsOf(uid: string): readonly ServiceEvent[];
  stop(): Promise<void>;
}

/** The leader's. */
export const LEASE_NAME = 'tidegate-controller';
/** Statuses that a restored API server has lost are looked for so often. */
const LOST_CHECK_MS = 1000;
/** Requests under way are waited for so long at the end, so that the Lease is released in any case. */
const STOP_WAIT_MS = 1000;

export function startWriting(options: WritingOptions): Writing {
  const { connection, statuses, take, node, clock, log } = options;
  const leader = startLeader({
    connection,
    namespace: options.namespace,
    name: LEASE_NAME,
    identity: node,
    durations: options.durations,
    ...{ clock, log, random: options.random },
    async takeOver(journal) {
      await options.relist();
      options.publish();
      await fenceJournal(journal, {
        connection,
        fieldManager: FIELD_MANAGER,
        identity: leader.state().identity,
        end: leader.end,
        baseOf: statuses.base,
        exposed: () => exposedOf(options),
        onRead: take,
        wallMs: () => clock.wallMs(),
      });
      options.publish();
    },
  });
  const events = createEventRecorder({
    connection,
    component: FIELD_MANAGER,
    host: node,
    clock,
    log,
  });
  let isStopping = false;
  const writer = createStatusWriter({
    connection,
    // Who stops sends nothing more; what is on its way stands in the journal.
    leader: { ...leader, leads: () => !isStopping && leader.leads() },
    events,
    baseOf: statuses.base,
    onWritten: take,
    onEvents: statuses.refresh,
    clock,
    log,
  });
  const reporter = createConfigurationReporter({
    connection,
    namespace: options.metallbNamespace,
    leads: leader.leads,
    clock,
    log,
  });
  const lostBoxes = watchLostBoxes({
    connection,
    namespace: options.namespace,
    metallbNamespace: options.metallbNamespace,
    current: options.current,
    leads: leader.leads,
    intervalMs: options.heartbeat.intervalMs,
    clock,
    log,
  });
  let last: Promise<unknown> = Promise.resolve();
  let cancel = clock.after(LOST_CHECK_MS, writeLost);

  const writeStatuses: Writing['writeStatuses'] = (changes) => {
    const done = last.then(async () => {
      try {
        return await writer.write(changes);
      } finally {
        options.publish();
      }
    });
    last = done.catch(() => undefined);
    return done;
  };

  /** What a restored API server does not know any more, the leader has in memory. */
  async function writeLost() {
    const all = statuses.lost();
    const lost = all.size > 0 ? unclaimed(all, statuses.bases(), options.service) : all;
    if (lost.size > 0 && leader.leads()) {
      log.warn('Writing again what the API server has lost', { services: lost.size });
      // Tried again as long as anything is lost.
      await writeStatuses(lost).catch(() => undefined);
    }
    if (!isStopping) cancel = clock.after(LOST_CHECK_MS, writeLost);
  }

  return {
    leadership: leader,
    writeStatuses,
    reportConfiguration: (report) => reporter.report(report),
    eventsOf: (uid) => writer.eventsOf(uid),
    async stop() {
      isStopping = true;
      cancel();
      reporter.stop();
      await within(STOP_WAIT_MS, Promise.all([lostBoxes.stop(), last]), clock);
      await leader.stop();
      events.stop();
    },
  };
}

/** Resolves when `work` is done, or after so long. */
async function within(limitMs: number, work: Promise<unknown>, clock: Clock): Promise<void> {
  let cancel = () => {};
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(limitMs, resolve);
  });
  await Promise.race([work, late]);
  cancel();
}

function* exposedOf({
  statuses,
  service,
  ours,
}: WritingOptions): Iterable<readonly [ObjectKey, StatusBase]> {
  for (const [key, base] of statuses.bases()) {
    if (isExposed(base, service(key), ours)) yield [key, base];
  }
}
