import type { Mac } from '../../domain/mac.ts';
import type { Neighbour } from '../../protocol/rtnetlink/neighbour.ts';

/**
 * Whether a neighbour still is where packets are sent to, as a machine without clock and sockets.
 *
 * Its MAC address is asked every `probeMs`, it alone. Without an answer everybody is asked, twice;
 * another that answers then takes its place, and when nobody does it is gone. So a change that
 * nobody announces is followed within 1.5 × `probeMs`, and the loss of a host is known within 2.2.
 *
 * The one that is trusted keeps its place as long as it answers: what the kernel learned from a
 * frame that nobody asked for is first held against it (a forged ARP reply is such a frame).
 */
export interface Probing {
  /** Where packets are sent. */
  readonly mac: Mac | undefined;
  /** Where they were sent before it went. */
  readonly former: Mac | undefined;
  /** It answered, and does no more. */
  readonly gone: boolean;
  /** The administrator's word, or a link without a protocol to ask by. */
  readonly fixed: boolean;
  /** It has answered us once: only then does silence mean something. */
  readonly answers: boolean;
  /** 0: nobody is being asked; 1: it alone; 2 and 3: everybody. */
  readonly attempt: number;
  /** Who claims its address now. */
  readonly candidate: Mac | undefined;
  /** The candidate did so in answer to us; otherwise it is the kernel's word alone. */
  readonly candidateAnswered: boolean;
  /** What the kernel holds. */
  readonly kernelMac: Mac | undefined;
  /** When the next `due` is to come. */
  readonly dueMs: number;
}

export type ProbingEvent =
  /** The kernel's entry, which may have changed. */
  | { readonly kind: 'kernel'; readonly entry: Neighbour | undefined }
  | { readonly kind: 'answer'; readonly mac: Mac }
  | { readonly kind: 'due' }
  /** It could not be asked: its interface is down, or is none that asks. */
  | { readonly kind: 'unable' };

export type ProbingEffect =
  /** `undefined`: everybody on the link. */
  | { readonly kind: 'ask'; readonly mac: Mac | undefined }
  /** What the kernel's table should say; `undefined`: that nobody answers. */
  | { readonly kind: 'tellKernel'; readonly mac: Mac | undefined };

export interface ProbingStep {
  readonly state: Probing;
  readonly effects: readonly ProbingEffect[];
}

/** Times in milliseconds. */
export interface ProbingTimes {
  readonly nowMs: number;
  readonly probeMs: number;
}

/** How often it is asked before silence counts: once it alone, then everybody. */
const ATTEMPTS = 3;
/** One answer is waited for so long, as a part of `probeMs`. */
const WAIT_SHARE = 3 / 8;
/** Where somebody else claims its address, the one trusted before has so long to answer. */
const SETTLE_MS = 50;
/** One that is gone is asked for so often, as a multiple of `probeMs`. */
const GONE_SHARE = 2;
/** One that never answered us is asked so rarely; the kernel has its own ways. */
const SILENT_MS = 10_000;

const NO_CANDIDATE = { candidate: undefined, candidateAnswered: false };

export function startProbing(entry: Neighbour | undefined, times: ProbingTimes): Probing {
  const fresh: Probing = {
    mac: undefined,
    former: undefined,
    gone: false,
    fixed: false,
    answers: false,
    attempt: 0,
    ...NO_CANDIDATE,
    kernelMac: undefined,
    dueMs: times.nowMs,
  };
  return stepProbing(fresh, { kind: 'kernel', entry }, times).state;
}

export function stepProbing(state: Probing, event: ProbingEvent, times: ProbingTimes): ProbingStep {
  switch (event.kind) {
    case 'kernel':
      return { state: heedKernel(state, event.entry, times), effects: [] };
    case 'answer':
      return state.fixed || state.attempt === 0 ? idle(state) : heedAnswer(state, event.mac, times);
    case 'due':
      return state.fixed || !(state.gone || state.mac !== undefined)
        ? idle({ ...state, dueMs: Number.POSITIVE_INFINITY })
        : proceed(state, times);
    case 'unable': {
      const dueMs = times.nowMs + times.probeMs;
      return idle({ ...state, ...takeCandidate(state), attempt: 0, dueMs });
    }
  }
}

/** True while an answer is awaited from one that packets are sent to: its turn comes first. */
export function isPressing({ mac, attempt }: Probing): boolean {
  return mac !== undefined && attempt > 0;
}

function idle(state: Probing): ProbingStep {
  return { state, effects: [] };
}

function heedKernel(
  before: Probing,
  entry: Neighbour | undefined,
  { nowMs }: ProbingTimes,
): Probing {
  const state = { ...before, fixed: entry?.state === 'fixed', kernelMac: entry?.mac };
  const known = { gone: false, attempt: 0, ...NO_CANDIDATE, dueMs: nowMs };
  if (state.fixed) return { ...state, ...known, mac: entry?.mac, answers: false };
  // Forgotten, or being looked for: no news of where it is.
  if (entry === undefined || entry.state === 'resolving') {
    return before.fixed ? { ...state, ...known, mac: undefined } : state;
  }
  if (entry.mac === undefined) {
    if (state.gone) return state;
    return { ...state, ...known, mac: undefined, former: state.mac, gone: true };
  }
  if (state.candidateAnswered) return state;
  if (entry.mac === state.mac) return { ...state, ...NO_CANDIDATE };
  if (state.mac === undefined || !state.answers) return { ...state, ...known, mac: entry.mac };
  const dueMs = state.attempt === 0 ? nowMs : state.dueMs;
  return { ...state, candidate: entry.mac, dueMs };
}

function heedAnswer(state: Probing, mac: Mac, times: ProbingTimes): ProbingStep {
  if (mac === (state.mac ?? state.former)) return confirm(state, mac, times);
  // Only one MAC address was asked, and this is another.
  if (state.attempt === 1) return idle(state);
  if (state.candidateAnswered) return idle(state);
  const dueMs = Math.min(state.dueMs, times.nowMs + SETTLE_MS);
  return idle({ ...state, candidate: mac, candidateAnswered: true, dueMs });
}

function confirm(state: Probing, mac: Mac, { nowMs, probeMs }: ProbingTimes): ProbingStep {
  const known = { gone: false, answers: true, attempt: 0, ...NO_CANDIDATE };
  return {
    state: { ...state, ...known, mac, former: undefined, dueMs: nowMs + probeMs },
    effects: state.kernelMac === mac ? [] : [{ kind: 'tellKernel', mac }],
  };
}

function proceed(state: Probing, times: ProbingTimes): ProbingStep {
  const { nowMs, probeMs } = times;
  const { attempt, candidate, candidateAnswered } = state;
  // The trusted one was asked alone and with everybody, and this other answered.
  if (candidate !== undefined && candidateAnswered) return confirm(state, candidate, times);
  if (state.gone) {
    const dueMs = nowMs + probeMs * GONE_SHARE;
    return { state: { ...state, attempt: ATTEMPTS, dueMs }, effects: [ASK_EVERYBODY] };
  }
  if (attempt < ATTEMPTS) {
    const ask: ProbingEffect = attempt === 0 ? { kind: 'ask', mac: state.mac } : ASK_EVERYBODY;
    const waitMs = candidate === undefined ? probeMs * WAIT_SHARE : SETTLE_MS;
    const dueMs = nowMs + waitMs;
    return { state: { ...state, attempt: attempt + 1, dueMs }, effects: [ask] };
  }
  return giveUp(state, times);
}

const ASK_EVERYBODY: ProbingEffect = { kind: 'ask', mac: undefined };

/** Nobody answered. */
function giveUp(state: Probing, { nowMs, probeMs }: ProbingTimes): ProbingStep {
  if (state.candidate !== undefined) {
    return idle({ ...state, ...takeCandidate(state), attempt: 0, dueMs: nowMs + probeMs });
  }
  if (!state.answers) return idle({ ...state, attempt: 0, dueMs: nowMs + SILENT_MS });
  return {
    state: { ...state, mac: undefined, former: state.mac, gone: true, dueMs: nowMs + probeMs },
    effects: [{ kind: 'tellKernel', mac: undefined }],
  };
}

/** The kernel's word is all there is. */
function takeCandidate({ candidate }: Probing): Partial<Probing> {
  return candidate === undefined ? {} : { ...NO_CANDIDATE, mac: candidate, answers: false };
}
