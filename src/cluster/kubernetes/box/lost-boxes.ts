import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import type { Snapshot } from '../../../domain/snapshot.ts';
import { backoffMs } from '../../../reconcile/backoff.ts';
import { ApiError } from '../transport/api-error.ts';
import { parallel } from '../transport/parallel.ts';
import { ANNOUNCEMENT_FORMS } from './announcement-form.ts';
import { createLostBoxApi, type LostBoxApiOptions, type StatedByBox } from './lost-box-api.ts';

export interface LostBoxesOptions extends LostBoxApiOptions {
  readonly current: () => Snapshot;
  readonly leads: () => boolean;
  /** Between heartbeats of a box, ms. */
  readonly intervalMs: number;
  readonly log: Log;
}

/**
 * Speaks for boxes that cannot any more, while this process leads: one that is dead and said last that
 * it is ready gets the condition Ready=Unknown, as Nodes get it from Kubernetes' node lifecycle
 * controller, and what it says to announce is removed. Who announces what does not depend on it; it is
 * for people and their tools. A box that comes back says everything again by itself.
 */
export interface LostBoxes {
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

/** How often the snapshot is looked at. */
export const LOOK_MS = 1000;
/** A box that comes back writes its EdgeNode before its first heartbeat: it has so many intervals. */
const SETTLE_BEATS = 2;
/** What a box said to announce is removed when it has been dead, or without an EdgeNode, for so long. */
export const STATUS_LIFETIME_MS = 60_000;
/** One that says the contrary, and yet sends no heartbeats, is not contradicted more often than this. */
export const AGAIN_MS = 60_000;
/** Requests at one time. */
const PARALLEL = 4;

/** A box that is dead, or whose EdgeNode is gone; monotonic ms. */
interface Loss {
  readonly sinceMs: number;
  markedMs: number;
  removedMs: number;
}

export function watchLostBoxes(options: LostBoxesOptions): LostBoxes {
  const { current, leads, clock, log } = options;
  const api = createLostBoxApi(options);
  const settleMs = SETTLE_BEATS * options.intervalMs;
  const statusesOf = createIndex();
  let lost: ReadonlyMap<string, Loss> = new Map();
  let attempts = 0;
  let stopped = false;
  let running: Promise<void> | undefined;
  let cancel = clock.after(LOOK_MS, start);

  function start() {
    running = pass().then((pauseMs) => {
      running = undefined;
      if (!stopped) cancel = clock.after(pauseMs, start);
    });
  }

  /** Resolves with the pause until the next. */
  async function pass(): Promise<number> {
    // Whoever leads counts anew: what was seen while another did may be long ago.
    lost = leads() ? nextLost(current(), statusesOf(current()), lost, clock) : new Map();
    const failures = [
      await attempt([...lost], ([box, loss]) => mark(box, loss)),
      await attempt([...lost], ([box, loss]) => removeStatuses(box, loss)),
    ].filter((error) => error !== undefined);
    attempts = failures.length > 0 ? attempts + 1 : 0;
    if (attempts === 0) return LOOK_MS;
    const [error] = failures;
    const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
    const retryInMs = Math.max(asked ?? backoffMs(attempts), LOOK_MS);
    log.warn('Cannot write that boxes are lost; trying again', { attempts, retryInMs, error });
    return retryInMs;
  }

  /** Does `work` on all until it fails; resolves with the failure. */
  async function attempt<T>(items: readonly T[], work: (item: T) => Promise<void>) {
    let failure: unknown;
    await parallel(items, PARALLEL, async (item) => {
      if (failure !== undefined) return;
      try {
        await work(item);
      } catch (error) {
        failure = error;
      }
    });
    return failure;
  }

  /** Asked before each write. */
  function mayWrite(box: string): boolean {
    return !stopped && leads() && isLost(current(), box);
  }

  async function mark(box: string, loss: Loss): Promise<void> {
    const nowMs = clock.monotonicMs();
    if (nowMs - loss.sinceMs < settleMs || nowMs - loss.markedMs < AGAIN_MS) return;
    const edgeNode = current().edgeNodes.get(box);
    if (!edgeNode?.ready || edgeNode.heartbeatLost || !mayWrite(box)) return;
    const outcome = await api.mark(edgeNode, () => mayWrite(box));
    if (outcome === 'conflict') return;
    loss.markedMs = nowMs;
    if (outcome === 'written') log.warn('A box sends no heartbeats any more', { box });
  }

  async function removeStatuses(box: string, loss: Loss): Promise<void> {
    const nowMs = clock.monotonicMs();
    if (nowMs - Math.max(loss.sinceMs, loss.removedMs) < STATUS_LIFETIME_MS) return;
    const statuses = statusesOf(current()).get(box) ?? [];
    const failure = await attempt(statuses, async (status) => {
      if (mayWrite(box)) await api.remove(status);
    });
    if (failure !== undefined) throw failure;
    loss.removedMs = nowMs;
    const services = new Set(statuses.map(({ status }) => status.service)).size;
    if (services > 0) log.info('Removed what a lost box said to announce', { box, services });
  }

  return {
    async stop() {
      stopped = true;
      cancel();
      await running;
    },
  };
}

function isLost({ edgeNodes }: Snapshot, box: string): boolean {
  return edgeNodes.get(box)?.alive !== true;
}

/** Those that are lost now; who was lost before is so since then. */
function nextLost(
  snapshot: Snapshot,
  statuses: ReadonlyMap<string, unknown>,
  before: ReadonlyMap<string, Loss>,
  clock: Clock,
): ReadonlyMap<string, Loss> {
  const now = new Map<string, Loss>();
  const never = Number.NEGATIVE_INFINITY;
  const fresh = () => ({ sinceMs: clock.monotonicMs(), markedMs: never, removedMs: never });
  for (const box of [...snapshot.edgeNodes.keys(), ...statuses.keys()])
    if (isLost(snapshot, box)) now.set(box, before.get(box) ?? now.get(box) ?? fresh());
  return now;
}

/** What boxes said, by box; MetalLB's own speakers are left alone. */
function createIndex() {
  let seen: Snapshot | undefined;
  let byBox: ReadonlyMap<string, readonly StatedByBox[]> = new Map();
  return (snapshot: Snapshot) => {
    const before = seen;
    seen = snapshot;
    if (before && ANNOUNCEMENT_FORMS.every(({ of }) => of(snapshot) === of(before))) return byBox;
    const all = ANNOUNCEMENT_FORMS.flatMap((form) =>
      [...form.of(snapshot).values()].map((status) => ({ form, status })),
    );
    byBox = Map.groupBy(
      all.filter(({ status }) => status.ofBox),
      ({ status }) => status.node,
    );
    return byBox;
  };
}
