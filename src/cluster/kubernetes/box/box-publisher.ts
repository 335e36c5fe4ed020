import type { BoxPublisher, BoxState } from '../../../domain/box.ts';
import type { Clock } from '../../../domain/clock.ts';
import type { ClusterSource } from '../../../domain/cluster-source.ts';
import type { Log } from '../../../domain/log.ts';
import { type ObjectKey, objectKey } from '../../../domain/object.ts';
import type { Problem } from '../../../domain/problem.ts';
import type { Snapshot } from '../../../domain/snapshot.ts';
import { backoffMs } from '../../../reconcile/backoff.ts';
import { createComplaints } from '../reflector/complaints.ts';
import { ApiError } from '../transport/api-error.ts';
import type { ApiConnection } from '../transport/connection.ts';
import { createEventRecorder } from '../write/event-recorder.ts';
import { ANNOUNCEMENT_FORMS, type AnnouncementForm } from './announcement-form.ts';
import { createAnnouncementStatuses } from './announcement-statuses.ts';
import { createEdgeNodeWriter, FIELD_MANAGER } from './edge-node-writer.ts';
import { type Heartbeat, startHeartbeat } from './heartbeat.ts';
import { heartbeatLeaseName } from './lease-fields.ts';
import { ownerReference } from './owner-reference.ts';
import { createSpeakerConfiguration } from './speaker-configuration.ts';

export interface BoxPublisherOptions {
  /** Closed by `stop`. */
  readonly connection: ApiConnection;
  /** Tells what others do to the objects of this box, and whom events are about. */
  readonly source: Pick<ClusterSource, 'current' | 'subscribe'>;
  /** Name of the box. */
  readonly box: string;
  /** Of this process, other than that of any other. */
  readonly identity: string;
  /** Where the heartbeat is. */
  readonly namespace: string;
  /** Where ServiceL2Statuses and ServiceBGPStatuses are. */
  readonly metallbNamespace: string;
  readonly heartbeat: { readonly intervalMs: number; readonly lifetimeMs: number };
  readonly clock: Clock;
  readonly log: Log;
}

/** The EdgeNode is written at most this often. */
export const WRITE_INTERVAL_MS = 1000;
/** What is left to say at a stop must be said in this time. */
export const STOP_LIMIT_MS = 2000;

/** Publishes a box by the API server: its EdgeNode, its heartbeat, what it announces. */
export function startBoxPublisher(options: BoxPublisherOptions): BoxPublisher {
  const { connection, source, box, clock, log } = options;
  const edgeNode = createEdgeNodeWriter(connection, box, clock);
  const complaints = createComplaints(log, clock, WORDS);
  const owner = () => edgeNode.uid();
  const lease = heartbeatLeaseName(box);
  const events = createEventRecorder({
    connection,
    component: FIELD_MANAGER,
    host: box,
    clock,
    log,
  });
  const ways = ANNOUNCEMENT_FORMS.map((form) => {
    const onBegin = (service: ObjectKey) => tellAssigned(service, form.protocol);
    const namespace = options.metallbNamespace;
    const statuses = createAnnouncementStatuses({
      ...{ form, connection, namespace, box, owner, onBegin, clock, log },
    });
    return { form, statuses };
  });
  const configuration = createSpeakerConfiguration({
    ...{ connection, namespace: options.metallbNamespace, box, clock, log },
    owner() {
      const uid = owner();
      return uid === undefined ? undefined : ownerReference(box, uid);
    },
  });
  let heartbeat: Heartbeat | undefined;
  let state: BoxState | undefined;
  let dirty = false;
  let writing: Promise<void> | undefined;
  let writtenMs = Number.NEGATIVE_INFINITY;
  let attempts = 0;
  let cancel: (() => void) | undefined;
  let stopped = false;
  let seen = source.current().edgeNodes.get(box);
  let last = source.current();
  const unsubscribe = source.subscribe((snapshot) => {
    noteGone(snapshot);
    if (state && heartbeat) configuration.look(snapshot, state.labels);
    const now = snapshot.edgeNodes.get(box);
    if (now === seen) return;
    seen = now;
    schedule();
  });

  function noteGone(now: Snapshot) {
    for (const { form, statuses } of ways) {
      const [after, before] = [form.of(now), form.of(last)];
      for (const key of after.changedKeys(before)) {
        const status = before.get(key);
        if (status?.node === box && !after.has(key)) statuses.gone(status.service);
      }
    }
    last = now;
  }

  function want(now: BoxState) {
    for (const { form, statuses } of ways) statuses.want(announcedServices(now, form));
  }

  function tellAssigned(service: ObjectKey, protocol: string) {
    const about = source.current().services.get(service);
    if (!about) return;
    const { namespace, name, uid } = about;
    const message = `announcing from node "${box}" with protocol "${protocol}"`;
    const event = { type: 'Normal', reason: 'nodeAssigned', message } as const;
    events.record({ apiVersion: 'v1', kind: 'Service', namespace, name, uid }, event);
  }

  /** Has the EdgeNode looked at, as soon as it may be written again. */
  function schedule(pauseMs = 0) {
    dirty = true;
    if (stopped || writing || !state || (cancel && pauseMs === 0)) return;
    cancel?.();
    const waitMs = Math.max(pauseMs, writtenMs + WRITE_INTERVAL_MS - clock.monotonicMs(), 0);
    cancel = clock.after(waitMs, () => {
      cancel = undefined;
      writing = write().finally(() => {
        writing = undefined;
        if (dirty) schedule(attempts > 0 ? pauseAfterFailures() : 0);
      });
    });
  }

  /** The first heartbeat must come soon after the API server does: others wait for it a lifetime. */
  function pauseAfterFailures(): number {
    const pauseMs = backoffMs(attempts);
    return heartbeat ? pauseMs : Math.min(pauseMs, options.heartbeat.intervalMs);
  }

  async function write(): Promise<void> {
    if (!state) return;
    dirty = false;
    writtenMs = clock.monotonicMs();
    try {
      await edgeNode.write(state, seen);
      attempts = 0;
    } catch (error) {
      attempts += 1;
      dirty = true;
      const hint = error instanceof ApiError && error.status === 404 ? { remedy: INSTALL } : {};
      complaints.failed(error, { box, ...hint });
      return;
    }
    complaints.recovered();
    heartbeat ??= startHeartbeat({ ...options, ...options.heartbeat, owner });
    want(state);
    configuration.look(source.current(), state.labels);
  }

  async function farewell(): Promise<void> {
    await writing;
    await Promise.all([
      ...ways.map(({ statuses }) => statuses.stop()),
      configuration.stop(),
      heartbeat?.stop(STOP_LIMIT_MS),
      edgeNode.writeStopped(STOP_LIMIT_MS).catch((error) => {
        log.warn('Cannot say in the EdgeNode that this box stops', { box, error });
      }),
    ]);
  }

  return {
    publish(next) {
      state = next;
      schedule();
      // Who announces is said at once: the address of a Service that goes waits for it.
      if (heartbeat && !stopped) want(next);
    },
    problems: () => [
      ...refusalOf('EdgeNode', box, complaints.trouble()),
      ...refusalOf('Lease', objectKey(options.namespace, lease), heartbeat?.trouble()),
      ...ways.flatMap(({ form, statuses }) => refusalOf(form.kind, box, statuses.trouble())),
      ...refusalOf('ConfigurationState', `speaker-${box}`, configuration.trouble()),
    ],
    async stop() {
      stopped = true;
      unsubscribe();
      cancel?.();
      events.stop();
      let cancelLate = () => {};
      const late = new Promise<void>((resolve) => {
        cancelLate = clock.after(STOP_LIMIT_MS, resolve);
      });
      await Promise.race([farewell(), late]);
      cancelLate();
      await connection.close();
    },
  };
}

const WORDS = {
  failed: 'Cannot write the EdgeNode of this box; trying again',
  recovered: 'The EdgeNode of this box can be written again',
};
const INSTALL = 'Install the definition: kubectl apply -k config/crds';

/** Who is away is told of by those who read; a refusal lasts until somebody does something. */
function refusalOf(kind: string, key: string, trouble: unknown): Problem[] {
  if (!(trouble instanceof ApiError) || trouble.status < 400 || trouble.status >= 500) return [];
  if (trouble.status === 409 || trouble.status === 429) return [];
  const message = `What this box says of itself cannot be written: ${trouble.message}`;
  const remedy =
    trouble.status === 404 ? INSTALL : 'Apply config/deploy/rbac/speaker, or make the login anew';
  return [{ severity: 'error', object: { kind, key }, message, remedy }];
}

/** By Service: interfaces or peers by which at least one of its addresses is announced, sorted. */
function announcedServices(
  { vips }: BoxState,
  form: AnnouncementForm,
): ReadonlyMap<ObjectKey, readonly string[]> {
  const announced = new Map<ObjectKey, Set<string>>();
  for (const vip of vips) {
    const places = vip.announced ? form.places(vip) : [];
    if (places.length === 0) continue;
    for (const service of vip.services) {
      const known = announced.get(service) ?? new Set();
      for (const place of places) known.add(place);
      announced.set(service, known);
    }
  }
  return new Map([...announced].map(([service, names]) => [service, [...names].sort()]));
}
