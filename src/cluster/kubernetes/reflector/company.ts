import type { Clock } from '../../../domain/clock.ts';
import { ApiError, isUnreachable } from '../transport/api-error.ts';
import type { Reflector } from './reflector.ts';
import type { ReflectorState } from './reflector-state.ts';

/**
 * Reflectors of one server. Each leaves it alone for a while after a failure; when one gets through
 * again after an outage, those that wait because of the same outage need not.
 */
export interface Company {
  /** The returned function takes it out again. */
  join(reflector: Pick<Reflector, 'state' | 'onState' | 'retry'>): () => void;
  stop(): void;
}

/** They do not all come at the same instant. */
export const SPREAD_MS = 500;
/** Answers of what stands before a server that is away. */
const GATEWAY = new Set([502, 503, 504]);

export function createCompany(clock: Pick<Clock, 'after'>, random: () => number): Company {
  const members = new Set<Pick<Reflector, 'state' | 'retry'>>();
  const cancels = new Set<() => void>();

  function wake() {
    for (const member of members) {
      if (!isCutOff(member.state())) continue;
      const cancel = clock.after(random() * SPREAD_MS, () => {
        cancels.delete(cancel);
        if (isCutOff(member.state())) member.retry();
      });
      cancels.add(cancel);
    }
  }

  return {
    join(reflector) {
      let wasCutOff = false;
      members.add(reflector);
      const leave = reflector.onState((state) => {
        const isBack = wasCutOff && state.failures === 0;
        wasCutOff = isCutOff(state);
        if (isBack) wake();
      });
      return () => {
        leave();
        members.delete(reflector);
      };
    },
    stop() {
      for (const cancel of cancels) cancel();
    },
  };
}

/** Whether the server as a whole was not there; what it asks for itself is respected. */
function isCutOff({ failures, lastError }: ReflectorState): boolean {
  if (failures === 0 || !(lastError instanceof ApiError)) return false;
  const { status, retryAfterMs } = lastError;
  return isUnreachable(lastError) || (GATEWAY.has(status) && retryAfterMs === undefined);
}
