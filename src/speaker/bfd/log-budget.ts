import type { Clock } from '../../domain/clock.ts';

/** Lets so many lines a minute through about each subject, and counts the others. */
export interface LogBudget {
  /** How many were held back since the last that was let through; `undefined`: hold this one back, too. */
  spend(subject: string): number | undefined;
}

const WINDOW_MS = 60_000;
/** Subjects remembered; the longest silent is forgotten first. */
const SUBJECTS_MAX = 1024;

export function createLogBudget(clock: Clock, linesPerMinute: number): LogBudget {
  const subjects = new Map<string, { untilMs: number; left: number; held: number }>();
  return {
    spend(subject) {
      const now = clock.monotonicMs();
      const known = subjects.get(subject) ?? { untilMs: 0, left: 0, held: 0 };
      subjects.delete(subject);
      if (subjects.size >= SUBJECTS_MAX) subjects.delete(subjects.keys().next().value ?? '');
      subjects.set(subject, known);
      if (now >= known.untilMs) {
        known.untilMs = now + WINDOW_MS;
        known.left = linesPerMinute;
      }
      if (known.left === 0) {
        known.held += 1;
        return undefined;
      }
      const { held } = known;
      known.left -= 1;
      known.held = 0;
      return held;
    },
  };
}
