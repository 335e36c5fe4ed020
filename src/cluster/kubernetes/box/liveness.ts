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
 *
 * At the first sight of a Lease its box has a lifetime to be heard of, too: after an outage of the API
 * server nobody's Lease is recent, clocks of boxes may be wrong by any time, and who took the others
 * for dead would break the connections through them.
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
  /** Whether an earlier process saw the box dead, and this as its last heartbeat. */
  readonly wasDead: (heartbeat: Heartbeat) => boolean;
  /** Called when a box turns out to live or to be dead, also at first; `last` is what it was heard by. */
  readonly onChange: (last: Heartbeat, alive: boolean) => void;
}

interface Box {
  last: Heartbeat;
  alive: boolean;
  /** Monotonic ms of the last news, or of the end of the last silence. */
  sinceMs: number;
}

export function createLiveness(options: LivenessOptions): Liveness {
  const { lifetimeMs, clock, wasDead, onChange } = options;
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
    for (const box of boxes.values())
      if (box.alive && nowMs - box.sinceMs >= lifetimeMs) set(box, false);
  }

  function note(heartbeat: Heartbeat, nowMs: number) {
    const { holder, renewTime } = heartbeat;
    const known = boxes.get(heartbeat.box);
    if (!known) {
      const alive = holder !== '' && !wasDead(heartbeat);
      boxes.set(heartbeat.box, { last: heartbeat, alive, sinceMs: nowMs });
      onChange(heartbeat, alive);
      return;
    }
    const isNews = renewTime !== known.last.renewTime;
    known.last = heartbeat;
    if (holder === '') set(known, false);
    else if (isNews) {
      known.sinceMs = nowMs;
      set(known, true);
    }
  }

  function set(box: Box, alive: boolean) {
    if (box.alive === alive) return;
    box.alive = alive;
    onChange(box.last, alive);
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
