import { ADMIT_ALL, type Backend } from '../../domain/forwarding.ts';

/** A ramp has at most so many steps, each of which is a write for every port. */
const STEPS = 20;
/** Where a ramp begins, of 1. */
const FIRST_SHARE = 0.1;
/** Since before anybody looked: at the full share. */
const LONG_AGO = Number.NEGATIVE_INFINITY;

/**
 * Since when the backends of a server take new flows, by backend id, in whole milliseconds. Without
 * those that do not.
 */
export type Starts = ReadonlyMap<string, number>;

/** A backend with what a ramp depends on. */
export interface RampMember extends Pick<Backend, 'id' | 'use'> {
  /** It is not used only because its health is not known yet. */
  readonly pending: boolean;
}

export interface Ramp {
  /** `Backend.admit`, in the order of the members. */
  readonly admits: readonly number[];
  /** To be given back the next time. */
  readonly starts: Starts;
  /** When the first of the admits changes; `undefined` when none will. */
  readonly nextMs: number | undefined;
}

/** What planning remembers of a server, and the moment. */
export interface RampMoment {
  /** `undefined` when the server was not there, or had no slow start. */
  readonly before: Starts | undefined;
  /** All health checks fail: no time to spare anybody. */
  readonly allFail: boolean;
  readonly slowStartMs: number;
  /** Whole milliseconds. */
  readonly nowMs: number;
}

/**
 * Slow start: a backend that becomes active while others are at work begins with a tenth of its
 * share, and comes up linearly. At a cold start, when nobody is remembered, all begin in full; and
 * so does one that comes up alone. While nobody is at the full share, the furthest counts as full,
 * so that no flow is refused.
 */
export function rampUp(members: readonly RampMember[], moment: RampMoment): Ramp {
  const starts = startsOf(members, moment);
  const stepMs = Math.ceil(moment.slowStartMs / STEPS);
  let nextMs: number | undefined;
  const shares = members.map(({ id, use }) => {
    const start = starts.get(id) ?? LONG_AGO;
    const step = Math.floor((moment.nowMs - start) / stepMs);
    if (use !== 'active' || step >= STEPS) return 1;
    nextMs = Math.min(nextMs ?? Number.POSITIVE_INFINITY, start + (step + 1) * stepMs);
    return FIRST_SHARE + ((1 - FIRST_SHARE) * step) / STEPS;
  });
  const most = shares.reduce(
    (sofar, share, index) => (members[index]?.use === 'active' ? Math.max(sofar, share) : sofar),
    0,
  );
  const admits = members.map(({ use }, index) =>
    use !== 'active' || moment.allFail
      ? ADMIT_ALL
      : Math.round((ADMIT_ALL * (shares[index] as number)) / most),
  );
  return { admits, starts, nextMs };
}

function startsOf(members: readonly RampMember[], moment: RampMoment): Starts {
  const { before, allFail, nowMs } = moment;
  const othersWork = members.some(({ id, use }) => use === 'active' && before?.has(id));
  const newcomer = othersWork && !allFail ? nowMs : LONG_AGO;
  const starts = new Map<string, number>();
  for (const { id, use, pending } of members) {
    const known = before?.get(id);
    if (use === 'active') starts.set(id, known ?? newcomer);
    else if (pending && before === undefined) starts.set(id, LONG_AGO);
    else if (pending && known !== undefined) starts.set(id, known);
  }
  return starts;
}
