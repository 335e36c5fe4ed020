import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import type { KubeObject } from '../kube-object.ts';
import { ApiError } from '../transport/api-error.ts';
import type { ApiConnection } from '../transport/connection.ts';
import { untilAborted } from '../transport/until-aborted.ts';
import type { Link } from './answer-reader.ts';
import { createComplaints } from './complaints.ts';
import {
  type CompleteList,
  lacksStreaming,
  listPages,
  listStreamed,
  presentVersion,
} from './complete-list.ts';
import { createKindReader } from './kind-reader.ts';
import { createOutlook } from './outlook.ts';
import type { ReflectorSink } from './reflector-sink.ts';
import { INITIAL_STATE, type ReflectorState } from './reflector-state.ts';
import { isOlder } from './resource-version.ts';
import { type WatchBatch, watchDurationMs, watchFrom } from './watch.ts';

export interface ReflectorOptions {
  readonly connection: ApiConnection;
  /** `Service`: an answer about anything else is none. */
  readonly kind: string;
  /** `/api/v1/services`, `/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools` */
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Drops what is not needed, right after parsing; name, namespace, uid, resourceVersion must stay. */
  readonly trim?: (object: KubeObject) => KubeObject;
  /** A link without any sign for so long is dead, ms; 2 s at least. */
  readonly idleTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1), for the pauses between tries. */
  readonly random: () => number;
  readonly sink: ReflectorSink;
}

/** One kind at one path, kept up to date. */
export interface Reflector {
  state(): ReflectorState;
  /**
   * A fresh complete quorum list, begun after this call; resolves when it is in the sink. Rejects when
   * it fails (another is made after a pause) or the reflector is stopped. Does not wait for a pause.
   */
  relist(): Promise<void>;
  /** Ends the pause after a failure, if there is one: the server may be there again. */
  retry(): void;
  /** Called when `synced`, `failures` or `lastError` changed; the returned function unsubscribes. */
  onState(listener: (state: ReflectorState) => void): () => void;
  /** Aborts what is under way; the sink is not called any more. */
  stop(): Promise<void>;
}

/** A watch that is open for so long is what was asked for, and no page of somebody else. */
const SETTLED_MS = 1_000;
/** A watch that lasted so long was a working one, however it ended. */
const WORKING_WATCH_MS = 5_000;
const WORDS = {
  failed: 'Cannot read from the API server; what is known stays in force',
  recovered: 'Reading from the API server again',
};

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/** Why the current step is broken off: somebody wants a fresh list. */
const RELIST = Symbol('relist');

/**
 * Lists, then watches from there, for ever. What is known leaves the sink only by a DELETED event or
 * by a complete list. The server is asked one thing at a time.
 */
export function startReflector(options: ReflectorOptions): Reflector {
  const { path, clock, sink } = options;
  const link: Link = {
    connection: options.connection,
    path,
    selectors: {
      ...(options.labelSelector === undefined ? {} : { labelSelector: options.labelSelector }),
      ...(options.fieldSelector === undefined ? {} : { fieldSelector: options.fieldSelector }),
    },
    idleTimeoutMs: options.idleTimeoutMs,
    clock,
  };
  const reader = createKindReader(options.kind, path, options.trim ?? ((object) => object));
  const complaints = createComplaints(options.log.child({ path }), clock, WORDS);
  const outlook = createOutlook(clock, options.random);
  const listeners = new Set<(state: ReflectorState) => void>();
  const stopping = new AbortController();
  let state = INITIAL_STATE;
  let step = new AbortController();
  let waiting: Waiter[] = [];
  /** The present step must not be broken off by a wish for a fresh list: it is one, or hands one over. */
  let isWanted = false;
  let hasStreaming = true;
  let mustStream = false;
  let endPause: (() => void) | undefined;

  function update(change: Partial<ReflectorState>) {
    const before = state;
    state = { ...state, ...change };
    const { synced, failures, lastError } = state;
    const isSame =
      synced === before.synced && failures === before.failures && lastError === before.lastError;
    if (!isSame) for (const listener of [...listeners]) listener(state);
  }

  /** The server has said something that we understand. */
  function contact(change: Partial<ReflectorState> = {}) {
    update({ failures: 0, lastError: undefined, lastContactMs: clock.monotonicMs(), ...change });
    complaints.recovered();
  }

  async function run() {
    while (!stopping.signal.aborted) {
      step = new AbortController();
      try {
        const next = waiting.length > 0 ? 'list' : outlook.next();
        if (next === 'list') await list(step.signal);
        else if (next === 'verify') await verify(step.signal);
        else await watch(step.signal);
      } catch (error) {
        if (!stopping.signal.aborted && error !== RELIST) await recover(error as Error);
      }
    }
  }

  async function list(signal: AbortSignal) {
    const served = waiting;
    waiting = [];
    isWanted = served.length > 0;
    try {
      const made = await fetchList(signal);
      isWanted = true;
      const isRestored = isOlder(made.resourceVersion, state.resourceVersion);
      const taken = sink.replace(made.objects, made.resourceVersion, isRestored);
      // Only the end breaks this off: the sink is called for one thing at a time.
      if (taken !== undefined) await untilAborted(taken, stopping.signal);
      outlook.listed();
      contact({
        synced: true,
        resourceVersion: made.resourceVersion,
        lists: state.lists + 1,
      });
      for (const waiter of served) waiter.resolve();
    } catch (error) {
      for (const waiter of served) waiter.reject(error);
      throw error;
    } finally {
      isWanted = false;
    }
  }

  async function fetchList(signal: AbortSignal): Promise<CompleteList> {
    if (mustStream && hasStreaming) {
      try {
        return await listStreamed(link, reader, signal);
      } catch (error) {
        if (!lacksStreaming(error)) throw error;
        hasStreaming = false;
      }
    }
    try {
      return await listPages(link, reader, signal);
    } catch (error) {
      // The pages were too slow for the server's memory: a streamed list has none.
      if (isExpired(error)) mustStream = true;
      throw error;
    }
  }

  /** Asks where the server is now: before what we know, its history is another. */
  async function verify(signal: AbortSignal) {
    const present = await presentVersion(link, reader, signal);
    outlook.verified(isOlder(present, state.resourceVersion));
    // Good news only when the watch works, too: the right to list is not the right to watch.
    update({ lastContactMs: clock.monotonicMs() });
  }

  async function watch(signal: AbortSignal) {
    const beganMs = clock.monotonicMs();
    const beganAt = state.resourceVersion;
    let isSilent = true;
    update({ watches: state.watches + 1 });
    let cancelSettled = () => {};
    const batch = ({ events, resourceVersion }: WatchBatch) => {
      isSilent = false;
      if (resourceVersion !== beganAt) outlook.works();
      if (events.length > 0) sink.apply(events);
      contact({ resourceVersion, events: state.events + events.length });
    };
    const isShort = () =>
      clock.monotonicMs() - beganMs < Math.min(WORKING_WATCH_MS, watchDurationMs(link) / 2);
    // Silence is what most watches bring: one that is still open after a moment is a good sign.
    const open = () => {
      cancelSettled = clock.after(SETTLED_MS, contact);
    };
    try {
      await watchFrom(beganAt, link, reader, signal, { open, batch });
    } catch (error) {
      if (!isShort()) outlook.works();
      throw error;
    } finally {
      cancelSettled();
    }
    if (isShort() && state.resourceVersion === beganAt) {
      throw new ApiError(`${path}: the server ends each watch at once`, {
        status: 0,
        reason: 'ConnectionLost',
      });
    }
    outlook.works();
    contact();
    // A server whose history lies before ours says nothing, too.
    if (isSilent) outlook.doubts();
  }

  async function recover(error: Error) {
    const pauseMs = outlook.failed(error);
    if (pauseMs === undefined) return;
    const { reason } = error instanceof ApiError ? error : { reason: '' };
    const isGarbage = reason === 'Garbage' || reason === 'TooLarge';
    update({
      failures: state.failures + 1,
      lastError: error,
      garbage: state.garbage + (isGarbage ? 1 : 0),
    });
    complaints.failed(error);
    await pause(pauseMs);
  }

  function pause(delayMs: number): Promise<void> {
    step = new AbortController();
    const { signal } = step;
    if (waiting.length > 0 || stopping.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = clock.after(delayMs, end);
      function end() {
        cancel();
        endPause = undefined;
        resolve();
      }
      endPause = end;
      signal.addEventListener('abort', end);
    });
  }

  const finished = run();
  return {
    state: () => state,
    relist() {
      if (stopping.signal.aborted) return Promise.reject(stopping.signal.reason);
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        if (!isWanted) step.abort(RELIST);
      });
    },
    retry: () => endPause?.(),
    onState(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async stop() {
      const reason = new ApiError(`${path}: the reflector was stopped`, {
        status: 0,
        reason: 'Aborted',
      });
      stopping.abort(reason);
      step.abort(reason);
      for (const waiter of waiting.splice(0)) waiter.reject(reason);
      await finished;
    },
  };
}

function isExpired(error: unknown): boolean {
  return error instanceof ApiError && error.status === 410;
}
