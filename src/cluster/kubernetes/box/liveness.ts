import type { Clock } from '../../../domain/clock.ts';
import type { KubeObject, WatchEvent } from '../kube-object.ts';
import { type Heartbeat, readHeartbeat } from './lease-fields.ts';

/**
 * Which boxes live, by their heartbeat Leases, as a sink of the reflector that reads the Leases.
 *
 * A box is dead when its Lease did not change for its lifetime by this process's monotonic clock,
 * while others did: each sign of the stream shows that news would have come. So there are no timers,
 * and where nothing comes (API server away, link dead, this process stalled), nothing is concluded: a
 * silence longer than half a lifetime lets everybody's lifetime begin anew.
 */
export interface Liveness {
  /** A complete list. A Lease that is missing says nothing: its box may be about to write it again. */
  replace(leases: readonly KubeObject[]): void;
  apply(events: readonly WatchEvent[]): void;
  /** Another sign that the stream of Leases flows: a bookmark. */
  contact(): void;
  /** `undefined` before the first list: what was known before still holds. */
  isAlive(box: string): boolean | undefined;
}

export interface LivenessOptions {
  /** A box that was not heard of for so long is dead, ms. */
  readonly lifetimeMs: number;
  readonly clock: Clock;
  /** Whether an earlier process knew that a box lives. */
  readonly wasAlive: (box: string) => boolean;
  /** Called when a box turns out to live or to be dead, also at first. */
  readonly onChange: (box: string, alive: boolean) => void;
}

/**
 * Clocks of boxes may differ by so much. Wall clocks matter only at the first sight of a Lease: one
 * renewed before that and a lifetime counts as dead, until its box is heard of; but not when an earlier
 * process knew the box alive. After an outage of the API server nobody's Lease is recent, and who took
 * the others for dead would break the connections through them.
 */
export const CLOCK_SKEW_MS = 5000;

interface Box {
  renewTime: string | undefined;
  alive: boolean;
  /** Monotonic ms of the last news, or of the end of the last silence. */
  sinceMs: number;
}

export function createLiveness(options: LivenessOptions): Liveness {
  const { lifetimeMs, clock, wasAlive, onChange } = options;
  const boxes = new Map<string, Box>();
  let listed = false;
  let lastSignMs = clock.monotonicMs();

  /** Something came: hears the heartbeats among it, and buries who was silent meanwhile. */
  function hear(leases: readonly KubeObject[]) {
    const nowMs = clock.monotonicMs();
    const interrupted = nowMs - lastSignMs > lifetimeMs / 2;
    lastSignMs = nowMs;
    if (interrupted) for (const box of boxes.values()) box.sinceMs = nowMs;
    for (const lease of leases) {
      const heartbeat = readHeartbeat(lease);
      if (heartbeat) note(heartbeat, nowMs);
    }
    for (const [name, box] of boxes)
      if (box.alive && nowMs - box.sinceMs >= lifetimeMs) set(name, box, false);
  }

  function note({ box: name, holder, renewTime }: Heartbeat, nowMs: number) {
    const known = boxes.get(name);
    if (!known) {
      const alive = holder !== '' && (isRecent(renewTime) || wasAlive(name));
      const box = { renewTime, alive, sinceMs: nowMs };
      boxes.set(name, box);
      onChange(name, box.alive);
      return;
    }
    if (holder === '') set(name, known, false);
    else if (renewTime !== known.renewTime) {
      known.sinceMs = nowMs;
      set(name, known, true);
    }
    known.renewTime = renewTime;
  }

  function set(name: string, box: Box, alive: boolean) {
    if (box.alive === alive) return;
    box.alive = alive;
    onChange(name, alive);
  }

  function isRecent(renewTime: string | undefined): boolean {
    const renewedMs = renewTime === undefined ? Number.NaN : Date.parse(renewTime);
    return clock.wallMs() - renewedMs <= lifetimeMs + CLOCK_SKEW_MS;
  }

  return {
    replace(leases) {
      listed = true;
      hear(leases);
      const names = new Set(leases.map((lease) => readHeartbeat(lease)?.box));
      for (const [name, box] of boxes) if (!box.alive && !names.has(name)) boxes.delete(name);
    },
    apply(events) {
      hear(events.filter(({ type }) => type !== 'DELETED').map(({ object }) => object));
    },
    contact: () => hear([]),
    isAlive: (name) => (listed ? (boxes.get(name)?.alive ?? false) : undefined),
  };
}
