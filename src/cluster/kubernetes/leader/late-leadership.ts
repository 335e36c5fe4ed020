import type { Leadership } from '../../../domain/leadership.ts';

/** Leadership of who begins to stand for it later, or never. */
export interface LateLeadership extends Leadership {
  begin(leadership: Leadership): void;
}

export function createLateLeadership(): LateLeadership {
  const listeners = new Set<() => void>();
  let real: Leadership | undefined;
  const tell = () => {
    for (const listener of [...listeners]) listener();
  };
  return {
    leads: () => real?.leads() ?? false,
    leader: () => real?.leader() ?? '',
    problem: () => real?.problem() ?? '',
    subscribe(listener) {
      // A function of its own, so that the same listener may subscribe twice.
      const entry = () => listener();
      listeners.add(entry);
      return () => void listeners.delete(entry);
    },
    begin(leadership) {
      real = leadership;
      leadership.subscribe(tell);
      tell();
    },
  };
}
