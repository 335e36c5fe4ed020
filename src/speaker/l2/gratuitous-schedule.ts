import type { Address } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { GratuitousSettings } from '../settings.ts';

/**
 * When to announce which address unasked: a burst when it arrives, then a refresh for ever. Paced, so
 * that the arrival of thousands of addresses neither blocks the event loop nor floods the switches.
 */
export interface GratuitousSchedule {
  /** Begins with a burst, at once unless many others do. An address that is there already starts anew. */
  start(address: Address): void;
  stop(address: Address): void;
  close(): void;
}

export interface ScheduleOptions {
  readonly settings: GratuitousSettings;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly send: (address: Address) => void;
}

/** At most so many addresses in so much time: 10,000 take one second. */
export const ADDRESSES_PER_TURN = 100;
export const TURN_MS = 10;
/** A refresh comes this share of its interval earlier or later, so that boxes and addresses spread. */
export const REFRESH_JITTER = 0.1;

interface Entry {
  /** Rounds of the burst still to come. */
  left: number;
  cancel: () => void;
}

export function createGratuitousSchedule(options: ScheduleOptions): GratuitousSchedule {
  const { settings, clock, random, send } = options;
  const entries = new Map<Address, Entry>();
  /** Addresses whose time has come, in order. At most one place for each. */
  const waiting = new Set<Address>();
  /** How many may still be announced in this turn. */
  let budget = ADDRESSES_PER_TURN;
  let cancelTurn: (() => void) | undefined;

  function enqueue(address: Address) {
    waiting.add(address);
    sendWaiting();
  }

  function sendWaiting() {
    for (const address of waiting) {
      cancelTurn ??= clock.after(TURN_MS, nextTurn);
      if (budget === 0) return;
      budget -= 1;
      waiting.delete(address);
      announce(address);
    }
  }

  function nextTurn() {
    budget = ADDRESSES_PER_TURN;
    cancelTurn = undefined;
    sendWaiting();
  }

  function announce(address: Address) {
    const entry = entries.get(address);
    if (!entry) return;
    entry.left = Math.max(0, entry.left - 1);
    const delayMs = entry.left > 0 ? settings.spacingMs : refreshDelay();
    entry.cancel = clock.after(delayMs, () => enqueue(address));
    send(address);
  }

  function refreshDelay(): number {
    return settings.refreshMs * (1 + REFRESH_JITTER * (2 * random() - 1));
  }

  function stop(address: Address) {
    entries.get(address)?.cancel();
    entries.delete(address);
    waiting.delete(address);
  }

  return {
    start(address) {
      stop(address);
      entries.set(address, { left: settings.burst, cancel: () => {} });
      enqueue(address);
    },
    stop,
    close() {
      for (const { cancel } of entries.values()) cancel();
      entries.clear();
      waiting.clear();
      cancelTurn?.();
    },
  };
}
