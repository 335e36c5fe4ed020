import { isOurCondition } from '../../../domain/service-conditions.ts';
import type { StatusBase } from '../status/status-base.ts';
import { createBoundedMap } from './bounded-map.ts';

/** So many times in `CONTEST_WINDOW_MS` a status is written again over what somebody else made of it. */
export const CONTEST_REWRITES = 5;
export const CONTEST_WINDOW_MS = 600_000;
/** First pause; each further one is twice as long. */
export const CONTEST_PAUSE_MS = 30_000;
export const CONTEST_MAX_PAUSE_MS = 600_000;
/** Services whose last status is remembered. */
const REMEMBERED = 20_000;

/** Whether a status may be written; `begins` marks the moment at which to say that it may not. */
export type Leave =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly begins: boolean; readonly pauseMs: number };

/** Sees that somebody else keeps writing the statuses that we write. */
export interface Contest {
  /** Notes what one of our writes has left. */
  wrote(base: StatusBase): void;
  /** Asked before each write over what is there. */
  mayWrite(base: StatusBase, nowMs: number): Leave;
  /** We have nothing to do with it any more. */
  forget(uid: string): void;
}

interface Entry {
  /** What our last write left. */
  readonly left: string;
  /** When we wrote over something else, the oldest first; bounded by `CONTEST_REWRITES`. */
  readonly rewrites: readonly number[];
  readonly pauseMs: number;
  readonly pausedUntilMs: number;
  /** One write since the last pause has been allowed. */
  readonly tried: boolean;
}

export function createContest(): Contest {
  const entries = createBoundedMap<string, Entry>(REMEMBERED);
  return {
    wrote(base) {
      const entry = entries.get(base.uid) ?? UNCONTESTED;
      entries.set(base.uid, { ...entry, left: printOf(base) });
    },
    mayWrite(base, nowMs) {
      const entry = entries.get(base.uid);
      if (!entry) return ALLOWED;
      const waitMs = entry.pausedUntilMs - nowMs;
      if (waitMs > 0) return { allowed: false, begins: false, pauseMs: waitMs };
      if (printOf(base) === entry.left) return ALLOWED;
      const next = afterRewrite(entry, nowMs);
      entries.set(base.uid, next);
      const pauseMs = next.pausedUntilMs - nowMs;
      return pauseMs > 0 ? { allowed: false, begins: true, pauseMs } : ALLOWED;
    },
    forget: entries.delete,
  };
}

const ALLOWED: Leave = { allowed: true };
const UNCONTESTED: Omit<Entry, 'left'> = {
  rewrites: [],
  pauseMs: 0,
  pausedUntilMs: 0,
  tried: false,
};

/** After each pause one write is tried; overwritten again, the next pause is longer. */
function afterRewrite(entry: Entry, nowMs: number): Entry {
  const recent = entry.rewrites.filter((at) => nowMs - at < CONTEST_WINDOW_MS);
  const goesOn = entry.pauseMs > 0 && nowMs - entry.pausedUntilMs < CONTEST_WINDOW_MS;
  if (goesOn && !entry.tried) return { ...entry, tried: true };
  if (!goesOn && recent.length < CONTEST_REWRITES) {
    return { ...entry, rewrites: [...recent, nowMs], pauseMs: 0 };
  }
  const longer = Math.min(entry.pauseMs * 2, CONTEST_MAX_PAUSE_MS);
  const pauseMs = goesOn ? longer : CONTEST_PAUSE_MS;
  return { ...entry, rewrites: [], pauseMs, pausedUntilMs: nowMs + pauseMs, tried: false };
}

/** What others may not change: who is to be reached where, and what we say of it. */
function printOf({ ingress, conditions }: StatusBase): string {
  const where = ingress.map(({ ip, hostname }) => ip ?? hostname ?? '');
  const said = conditions
    .filter(({ type }) => isOurCondition(type))
    .map(({ type, status, reason }) => `${type} ${status} ${reason}`)
    .sort();
  return JSON.stringify([where, said]);
}
