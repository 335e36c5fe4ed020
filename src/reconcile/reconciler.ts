import type { Clock } from '../domain/clock.ts';
import { KeyedMap } from '../domain/keyed-map.ts';
import type { Log } from '../domain/log.ts';
import { backoffMs } from './backoff.ts';
import type { ObjectState, Target } from './target.ts';

export interface ReconcilerOptions<V> {
  /** Names it in logs and metrics: `xdp`, `arp`. */
  readonly name: string;
  readonly target: Target<V>;
  readonly clock: Clock;
  readonly log: Log;
  /** Called after each pass with the keys it touched, successful or not. */
  readonly onPass?: (keys: readonly string[]) => void;
}

interface Failure<V> {
  readonly value: V | undefined;
  readonly error: string;
  readonly attempts: number;
  readonly dueMs: number;
}

/**
 * The one loop between a plan and a real thing: diffs what is wanted against what was applied (by
 * identity), removes, updates, commits, retries what failed with backoff, and says how each object
 * stands. At its first pass it also removes what the target holds and nobody wants.
 *
 * A synchronous target is applied within `want`; with an asynchronous one, passes follow one another
 * and a pass always takes the newest wish. Cost of a pass grows with what changed.
 */
export class Reconciler<V> {
  readonly #options: ReconcilerOptions<V>;
  #desired = KeyedMap.empty<V>();
  #applied = KeyedMap.empty<V>();
  #revision = 0;
  #leftovers: Set<string> | undefined;
  #states = new Map<string, ObjectState>();
  #failures = new Map<string, Failure<V>>();
  #running = false;
  #stopped = false;
  #cancelRetry: (() => void) | undefined;
  #idleWaiters: (() => void)[] = [];

  constructor(options: ReconcilerOptions<V>) {
    this.#options = options;
  }

  /** States what should be; `revision` is the snapshot's, for logs and states. */
  want(desired: KeyedMap<V>, revision: number): void {
    this.#desired = desired;
    this.#revision = revision;
    this.#run();
  }

  /** How the object stands; `undefined` when nobody wants it and nothing of it is left. */
  stateOf(key: string): ObjectState | undefined {
    return this.#states.get(key);
  }

  /** Everything that failed at its last try. */
  failed(): ReadonlyArray<{ readonly key: string; readonly state: ObjectState }> {
    return [...this.#failures.keys()].flatMap((key) => {
      const state = this.#states.get(key);
      return state ? [{ key, state }] : [];
    });
  }

  /** Resolves when no pass is running; failed objects may still wait for their retry. */
  idle(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Ends the loop after the pass in flight. What was applied stays. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry?.();
    await this.idle();
  }

  #run(): void {
    if (this.#running || this.#stopped) return;
    this.#running = true;
    this.#continue(this.#leftovers === undefined ? this.#findLeftovers() : undefined);
  }

  /** Runs passes until nothing is due; hops onto a promise only where the target made one. */
  #continue(pending: Promise<void> | undefined): void {
    while (pending === undefined) {
      const keys = this.#stopped ? [] : this.#dueKeys();
      if (keys.length === 0) {
        this.#rest();
        return;
      }
      pending = this.#pass(keys);
    }
    pending.then(
      () => this.#continue(undefined),
      (error) => {
        this.#options.log.error('Reconciler failed', { target: this.#options.name, error });
        this.#rest();
      },
    );
  }

  #rest(): void {
    this.#running = false;
    this.#scheduleRetry();
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #findLeftovers(): Promise<void> | undefined {
    const listed = this.#options.target.list();
    const remember = (keys: Iterable<string>) => {
      this.#leftovers = new Set(keys);
    };
    if (listed instanceof Promise) return listed.then(remember);
    remember(listed);
    return undefined;
  }

  #dueKeys(): string[] {
    const changed = new Set(this.#desired.changedKeys(this.#applied));
    for (const key of this.#leftovers ?? []) if (!this.#desired.has(key)) changed.add(key);
    const now = this.#options.clock.monotonicMs();
    const due = [...changed].filter((key) => {
      const failure = this.#failures.get(key);
      return !failure || failure.dueMs <= now || failure.value !== this.#desired.get(key);
    });
    // Removals first: they free the room that updates may need.
    return due.sort((a, b) => Number(this.#desired.has(a)) - Number(this.#desired.has(b)));
  }

  #pass(keys: readonly string[]): Promise<void> | undefined {
    const { target } = this.#options;
    const revision = this.#revision;
    const startedMs = this.#options.clock.monotonicMs();
    const desired = this.#desired;
    const errors = new Map<string, unknown>();
    const apply = (index: number): Promise<void> | undefined => {
      for (let i = index; i < keys.length; i++) {
        const key = keys[i] as string;
        const value = desired.get(key);
        const done = attempt(() =>
          value === undefined ? target.remove(key) : target.update(key, value),
        );
        if (done.promise) {
          return done.promise
            .catch((error) => void errors.set(key, error))
            .then(() => apply(i + 1));
        }
        if (done.failed) errors.set(key, done.error);
      }
      const committed = attempt(() => target.commit?.());
      const failAll = (error: unknown) => {
        for (const key of keys) if (!errors.has(key)) errors.set(key, error);
      };
      if (committed.promise) return committed.promise.catch(failAll);
      if (committed.failed) failAll(committed.error);
      return undefined;
    };
    const finish = () => this.#recordPass(keys, desired, errors, revision, startedMs);
    const pending = apply(0);
    if (pending) return pending.then(finish);
    finish();
    return undefined;
  }

  #recordPass(
    keys: readonly string[],
    desired: KeyedMap<V>,
    errors: ReadonlyMap<string, unknown>,
    revision: number,
    startedMs: number,
  ): void {
    const nowMs = this.#options.clock.monotonicMs();
    const tookMs = nowMs - startedMs;
    const applied: [string, V | undefined][] = [];
    for (const key of keys) {
      const value = desired.get(key);
      if (errors.has(key)) {
        this.#recordFailure(key, value, errors.get(key), revision, nowMs);
        continue;
      }
      applied.push([key, value]);
      this.#failures.delete(key);
      this.#leftovers?.delete(key);
      if (value === undefined) this.#states.delete(key);
      else this.#states.set(key, { state: 'done', revision, tookMs });
    }
    this.#applied = this.#applied.withAll(applied);
    if (applied.length > 0) {
      this.#options.log.info('Applied', {
        target: this.#options.name,
        revision,
        ...(applied.length === 1 ? { object: applied[0]?.[0] } : { objects: applied.length }),
        ms: tookMs,
      });
    }
    this.#options.onPass?.(keys);
  }

  #recordFailure(
    key: string,
    value: V | undefined,
    cause: unknown,
    revision: number,
    nowMs: number,
  ): void {
    const attempts = (this.#failures.get(key)?.attempts ?? 0) + 1;
    const retryInMs = backoffMs(attempts);
    const error = cause instanceof Error ? cause.message : String(cause);
    this.#failures.set(key, { value, error, attempts, dueMs: nowMs + retryInMs });
    this.#states.set(key, { state: 'failed', revision, error, attempts, retryInMs });
    this.#options.log.warn('Cannot apply; will try again', {
      target: this.#options.name,
      object: key,
      revision,
      attempts,
      retryInMs,
      error,
    });
  }

  #scheduleRetry(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    if (this.#stopped || this.#failures.size === 0) return;
    let dueMs = Number.POSITIVE_INFINITY;
    for (const failure of this.#failures.values()) dueMs = Math.min(dueMs, failure.dueMs);
    const delayMs = Math.max(0, dueMs - this.#options.clock.monotonicMs());
    this.#cancelRetry = this.#options.clock.after(delayMs, () => this.#run());
  }
}

interface Attempt {
  readonly promise?: Promise<void>;
  readonly failed?: boolean;
  readonly error?: unknown;
}

function attempt(run: () => void | Promise<void>): Attempt {
  try {
    const result = run();
    return result instanceof Promise ? { promise: result } : {};
  } catch (error) {
    return { failed: true, error };
  }
}
