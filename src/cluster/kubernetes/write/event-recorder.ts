import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import { apiTime } from '../status/status-patch.ts';
import { ApiError } from '../transport/api-error.ts';
import type { ApiConnection } from '../transport/connection.ts';
import { createBoundedMap } from './bounded-map.ts';
import { failureOf } from './outcome.ts';
import { createTokenBucket, type TokenBucket } from './token-bucket.ts';

/** Whom an event is about. */
export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface EventText {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export interface EventRecorderOptions {
  readonly connection: Pick<ApiConnection, 'request'>;
  /** `source.component`, for example `tidegate-controller`. */
  readonly component: string;
  /** `source.host` and `reportingInstance`: name of the box or of the process. */
  readonly host: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Writes core/v1 Events as client-go's recorder does: equal ones are counted in one object, what comes
 * too fast is dropped. Best effort; nobody waits for it.
 */
export interface EventRecorder {
  /** `count`: how many times it happened. */
  record(about: EventSubject, event: EventText, count?: number): void;
  /** Drops what waits. */
  stop(): void;
}

/** Different events that wait to be sent; more are dropped. */
export const EVENT_QUEUE = 10_000;
/** To the API server, of all objects together. */
export const EVENTS_PER_SEC = 50;
export const EVENT_BURST = 100;
/** Of one object, as client-go's spam filter: a burst, then one in five minutes. */
export const OBJECT_BURST = 25;
export const OBJECT_EVENTS_PER_SEC = 1 / 300;
/** Objects and series remembered, as in client-go. */
const REMEMBERED = 4096;
/** An event is sent so many times while the server does not take it, with pauses between. */
const ATTEMPTS = 12;
const PAUSE_MS = 10_000;
const DROPPED_LOG_MS = 60_000;
/** Of events.k8s.io/v1; longer ones are cut. */
const MAX_MESSAGE = 1024;

/** Equal events, on their way or known to the server under `name`. */
interface Series {
  readonly about: EventSubject;
  readonly event: EventText;
  readonly firstMs: number;
  lastMs: number;
  count: number;
  name: string;
  attempts: number;
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { clock, log } = options;
  const queue = new Map<string, Series>();
  const sent = createBoundedMap<string, Series>(REMEMBERED);
  const budgets = createBoundedMap<string, TokenBucket>(REMEMBERED);
  const budget = createTokenBucket(clock, EVENTS_PER_SEC, EVENT_BURST);
  let sending = false;
  let stopped = false;
  let serial = 0;
  let dropped = 0;
  let cancelWake: (() => void) | undefined;

  function drop() {
    if (dropped === 0) clock.after(DROPPED_LOG_MS, tellDropped);
    dropped += 1;
  }

  function tellDropped() {
    log.warn('Events are dropped, since there are too many', { dropped });
    dropped = 0;
  }

  function mayRecord(uid: string): boolean {
    const own = budgets.get(uid) ?? createTokenBucket(clock, OBJECT_EVENTS_PER_SEC, OBJECT_BURST);
    budgets.set(uid, own);
    return own.take();
  }

  function wake(delayMs: number) {
    cancelWake?.();
    cancelWake = stopped ? undefined : clock.after(delayMs, () => void pump());
  }

  async function pump() {
    if (sending) return;
    sending = true;
    let pauseMs = 0;
    for (const [key, series] of queue) {
      pauseMs = budget.waitMs();
      if (stopped || pauseMs > 0) break;
      budget.take();
      queue.delete(key);
      pauseMs = await send(key, series);
      if (pauseMs > 0) break;
    }
    sending = false;
    if (queue.size > 0) wake(pauseMs);
  }

  /** Returns how long to leave the server alone, ms. */
  async function send(key: string, series: Series): Promise<number> {
    try {
      await write(series);
      sent.set(key, series);
      return 0;
    } catch (error) {
      const failure = failureOf(error);
      series.attempts += 1;
      if (failure === 'gone' || failure === 'refused' || series.attempts >= ATTEMPTS) {
        log.debug('Cannot write an event', { reason: series.event.reason, error });
        return 0;
      }
      if (!queue.has(key)) queue.set(key, series);
      return (error instanceof ApiError ? error.retryAfterMs : undefined) ?? PAUSE_MS;
    }
  }

  async function write(series: Series): Promise<void> {
    if (series.name !== '' && (await patch(options, series))) return;
    // As client-go names them; the serial number keeps two of one millisecond apart.
    serial = (serial + 1) % 1_000_000;
    const unique = BigInt(series.lastMs) * 1_000_000n + BigInt(serial);
    series.name = `${series.about.name}.${unique.toString(16)}`;
    await create(options, series);
  }

  return {
    record(about, event, count = 1) {
      const key = `${about.uid} ${event.type} ${event.reason} ${event.message}`;
      const nowMs = clock.wallMs();
      const waiting = queue.get(key);
      if (waiting) {
        waiting.count += count;
        waiting.lastMs = nowMs;
        return;
      }
      if (stopped) return;
      if (!mayRecord(about.uid) || queue.size >= EVENT_QUEUE) return drop();
      const before = sent.get(key);
      queue.set(key, {
        about,
        event,
        firstMs: before?.firstMs ?? nowMs,
        lastMs: nowMs,
        count: (before?.count ?? 0) + count,
        name: before?.name ?? '',
        attempts: 0,
      });
      if (!sending && queue.size === 1) wake(0);
    },
    stop() {
      stopped = true;
      cancelWake?.();
      queue.clear();
    },
  };
}

/** False when the event is there no more: the server keeps them for an hour only. */
async function patch(options: EventRecorderOptions, series: Series): Promise<boolean> {
  const { namespace } = series.about;
  try {
    await options.connection.request({
      method: 'PATCH',
      path: `/api/v1/namespaces/${namespace}/events/${series.name}`,
      query: { fieldManager: options.component },
      contentType: 'application/merge-patch+json',
      body: { count: series.count, lastTimestamp: apiTime(series.lastMs) },
    });
    return true;
  } catch (error) {
    if (failureOf(error) === 'gone') return false;
    throw error;
  }
}

async function create(options: EventRecorderOptions, series: Series): Promise<void> {
  const { component, host } = options;
  const { about, event, name, firstMs, lastMs, count } = series;
  await options.connection.request({
    method: 'POST',
    path: `/api/v1/namespaces/${about.namespace}/events`,
    query: { fieldManager: component },
    body: {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace: about.namespace },
      involvedObject: about,
      type: event.type,
      reason: event.reason,
      message: event.message.slice(0, MAX_MESSAGE),
      source: { component, host },
      reportingComponent: component,
      reportingInstance: host,
      firstTimestamp: apiTime(firstMs),
      lastTimestamp: apiTime(lastMs),
      count,
    },
  });
}
