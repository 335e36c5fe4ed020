import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import type { ObjectKey } from '../../../domain/object.ts';
import { backoffMs } from '../../../reconcile/backoff.ts';
import { createComplaints } from '../reflector/complaints.ts';
import { ApiError } from '../transport/api-error.ts';
import { parallel } from '../transport/parallel.ts';
import {
  type AnnouncementStatusApiOptions,
  createAnnouncementStatusApi,
  type WrittenStatus,
} from './announcement-status-api.ts';

export interface AnnouncementStatusesOptions extends AnnouncementStatusApiOptions {
  /**
   * This box begins to announce a Service. Not called for one that it was said to announce before, by
   * this process or an earlier one.
   */
  readonly onBegin: (service: ObjectKey) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The ServiceL2Statuses or ServiceBGPStatuses (metallb.io) of this box: one a Service that it announces. Written only where
 * they differ; tried again with backoff; left alone where their kind is not installed. They stay when
 * the process ends, so that a restart writes nothing.
 */
export interface AnnouncementStatuses {
  /** Interfaces or peers, sorted, by Service: all that should be. */
  want(announced: ReadonlyMap<ObjectKey, readonly string[]>): void;
  /** The API server says that there is none about this Service any more. */
  gone(service: ObjectKey): void;
  /** Why it cannot be written now; `undefined` when it can. */
  trouble(): unknown;
  /** Resolves when nothing is under way. Failed writes may still wait. */
  idle(): Promise<void>;
  stop(): Promise<void>;
}

const WORDS = {
  failed: 'Cannot write which Services are announced; trying again',
  recovered: 'Which Services are announced can be written again',
};

/** Requests at one time. */
const PARALLEL = 8;
/** What others did to our objects, or that the kind was installed, is seen at a change after so long. */
export const RELIST_MS = 600_000;
/** Objects that others remove are collected for so long before they are made again. */
export const GONE_SETTLE_MS = 1000;

export function createAnnouncementStatuses(
  options: AnnouncementStatusesOptions,
): AnnouncementStatuses {
  const { form, box, owner, clock, log, onBegin } = options;
  const api = createAnnouncementStatusApi(options);
  const complaints = createComplaints(log, clock, WORDS);
  let wanted: ReadonlyMap<ObjectKey, readonly string[]> | undefined;
  const known = new Map<ObjectKey, WrittenStatus>();
  /** Services that are known to be announced from here; `undefined` before the first list. */
  let begun: Set<ObjectKey> | undefined;
  let listedMs: number | undefined;
  let listedFor: string | undefined;
  let isInstalled = true;
  let running: Promise<void> | undefined;
  let again = false;
  let stopped = false;
  let attempts = 0;
  let cancel = () => {};
  const gone = new Set<ObjectKey>();
  let cancelLook: (() => void) | undefined;

  async function list(): Promise<void> {
    const isRecent = listedMs !== undefined && clock.monotonicMs() - listedMs < RELIST_MS;
    if (isRecent && listedFor === owner()) return;
    listedFor = owner();
    // What is seen to go while it is read may be in it.
    listedMs = clock.monotonicMs();
    try {
      await takeStock();
    } catch (error) {
      listedMs = undefined;
      throw error;
    }
  }

  async function takeStock(): Promise<void> {
    const found = await api.list();
    isInstalled = found !== undefined;
    known.clear();
    for (const { service, object } of found ?? []) {
      // Two about one Service, or one that the garbage collector is about to take.
      if (known.has(service) || !object.isOwned) await api.remove(object.name);
      else known.set(service, object);
    }
    // Without anything to go by, what is announced at first is not news.
    begun ??= new Set(found ? found.map(({ service }) => service) : wanted?.keys());
  }

  function noteBegun(now: ReadonlyMap<ObjectKey, unknown>, before: Set<ObjectKey>) {
    for (const service of now.keys()) if (!before.has(service)) onBegin(service);
    begun = new Set(now.keys());
  }

  async function apply(now: ReadonlyMap<ObjectKey, readonly string[]>): Promise<void> {
    const keys = new Set([...known.keys(), ...now.keys()]);
    const due = [...keys].filter((key) => !sameNames(known.get(key)?.places, now.get(key)));
    let failure: unknown;
    await parallel(due, PARALLEL, async (key) => {
      if (failure !== undefined || stopped) return;
      try {
        await settle(key, now.get(key));
      } catch (error) {
        failure = error;
      }
    });
    if (failure !== undefined) throw failure;
  }

  async function settle(key: ObjectKey, places: readonly string[] | undefined): Promise<void> {
    const object = known.get(key);
    if (!places) {
      if (object) await api.remove(object.name);
      known.delete(key);
      return;
    }
    const name = object?.name ?? (await api.create(key));
    known.set(key, { name, places: object?.places, isOwned: true });
    if (await api.setStatus(name, key, places)) known.set(key, { name, places, isOwned: true });
    else {
      // Somebody removed it: it is made again.
      known.delete(key);
      again = true;
    }
  }

  async function passes(): Promise<void> {
    await Promise.resolve();
    while (again && !stopped && wanted) {
      again = false;
      const now = wanted;
      await list();
      if (begun) noteBegun(now, begun);
      if (isInstalled) await apply(now);
      attempts = 0;
      complaints.recovered();
    }
  }

  function run() {
    again = true;
    cancel();
    running ??= passes()
      .catch(retryLater)
      .finally(() => {
        running = undefined;
        if (again && attempts === 0 && !stopped) run();
      });
  }

  /** What we have not removed ourselves is looked at, and made again. */
  function lookForGone() {
    cancelLook = undefined;
    const isMissed = [...gone].some((service) => known.has(service));
    gone.clear();
    if (!isMissed) return;
    listedMs = undefined;
    again = true;
    if (attempts === 0) run();
  }

  function retryLater(error: unknown) {
    attempts += 1;
    const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
    const retryInMs = asked ?? backoffMs(attempts);
    complaints.failed(error, { kind: form.kind, box, attempts, retryInMs });
    if (!stopped) cancel = clock.after(retryInMs, run);
  }

  return {
    want(announced) {
      wanted = announced;
      again = true;
      // After a failure the pause is kept.
      if (attempts === 0) run();
    },
    gone(service) {
      if (!stopped) cancelLook ??= clock.after(GONE_SETTLE_MS, lookForGone);
      gone.add(service);
    },
    trouble: complaints.trouble,
    async idle() {
      while (running) await running;
    },
    async stop() {
      stopped = true;
      cancel();
      cancelLook?.();
      await running;
    },
  };
}

function sameNames(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  return (
    a !== undefined && b !== undefined && a.length === b.length && a.every((it, i) => it === b[i])
  );
}
