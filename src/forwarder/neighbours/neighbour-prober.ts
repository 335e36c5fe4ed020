import type { Address } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import type { Mac } from '../../domain/mac.ts';
import type { Network } from '../network.ts';
import { type KeptNeighbour, keyOfNeighbour } from './kept-neighbour.ts';
import type { ProbeWire } from './probe-wire.ts';
import {
  isPressing,
  type Probing,
  type ProbingEffect,
  type ProbingEvent,
  startProbing,
  stepProbing,
} from './probing.ts';

export interface NeighbourProberParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly log: Log;
  /** Time between two questions to a neighbour that answers. */
  readonly probeMs: number;
  readonly openWire: (onAnswer: (ifindex: number, address: Address, mac: Mac) => void) => ProbeWire;
  /** Packets to this neighbour go elsewhere now, or nowhere. */
  readonly onChange: (neighbour: KeptNeighbour) => void;
}

/** Wakes at most so often. */
const TICK_MS = 50;
/**
 * Frames sent in all. With more neighbours than fit (400 at 400 ms) each is asked more rarely: 2,000
 * every two seconds. What is under way for one that did not answer comes first.
 */
const PROBES_PER_SECOND = 1000;
const PROBES_PER_TICK = (PROBES_PER_SECOND * TICK_MS) / 1000;

interface Entry extends KeptNeighbour {
  users: number;
  probing: Probing;
}

/**
 * Says where packets to neighbours go. The kernel resolves them; whether they still are there it
 * finds out in 20 to 55 seconds, so they are asked from here too, many times a second in all, and
 * the kernel's table is told.
 */
export class NeighbourProber {
  readonly #parts: NeighbourProberParts;
  readonly #wire: ProbeWire;
  /** The one asked longest ago first. */
  readonly #entries = new Map<string, Entry>();
  #cancelTick: () => void = () => undefined;
  #tickAtMs = Number.POSITIVE_INFINITY;
  #tickedMs = Number.NEGATIVE_INFINITY;
  /** The kernel refused to be told; said once until it takes it again. */
  #refused = false;
  #stopped = false;

  constructor(parts: NeighbourProberParts) {
    this.#parts = parts;
    this.#wire = parts.openWire((ifindex, address, mac) => {
      this.#handle({ ifindex, address }, { kind: 'answer', mac });
    });
  }

  keep({ ifindex, address }: KeptNeighbour): void {
    const key = keyOfNeighbour({ ifindex, address });
    const known = this.#entries.get(key);
    if (known) {
      known.users += 1;
      return;
    }
    const probing = startProbing(this.#parts.network.neighbour(ifindex, address), this.#times());
    this.#entries.set(key, { ifindex, address, users: 1, probing });
    if (probing.dueMs < this.#tickAtMs) this.#schedule();
  }

  release(neighbour: KeptNeighbour): void {
    const entry = this.#entries.get(keyOfNeighbour(neighbour));
    if (!entry) return;
    entry.users -= 1;
    if (entry.users === 0) this.#entries.delete(keyOfNeighbour(neighbour));
  }

  /** The kernel's entry changed. */
  kernelChanged({ ifindex, address }: KeptNeighbour): void {
    const entry = this.#parts.network.neighbour(ifindex, address);
    this.#handle({ ifindex, address }, { kind: 'kernel', entry });
  }

  /** The kernel's table was read anew. */
  allChanged(): void {
    for (const entry of [...this.#entries.values()]) this.kernelChanged(entry);
  }

  /** Where packets to it go; `undefined` while that is not known. */
  mac(neighbour: KeptNeighbour): Mac | undefined {
    return this.#entries.get(keyOfNeighbour(neighbour))?.probing.mac;
  }

  /** True when it does not answer any more. */
  isGone(neighbour: KeptNeighbour): boolean {
    return this.#entries.get(keyOfNeighbour(neighbour))?.probing.gone ?? false;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTick();
    this.#wire.close();
  }

  #times() {
    return { nowMs: this.#parts.clock.monotonicMs(), probeMs: this.#parts.probeMs };
  }

  /** Wakes when the first is due; what falls due within one tick is done together. */
  #schedule(): void {
    if (this.#stopped) return;
    const { clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    let dueMs = Number.POSITIVE_INFINITY;
    for (const { probing } of this.#entries.values()) dueMs = Math.min(dueMs, probing.dueMs);
    const atMs = Math.max(dueMs, this.#tickedMs + TICK_MS, nowMs);
    if (atMs === this.#tickAtMs) return;
    this.#cancelTick();
    this.#tickAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTick = clock.after(atMs - nowMs, () => {
      this.#tickAtMs = Number.POSITIVE_INFINITY;
      this.#tickedMs = clock.monotonicMs();
      this.#tick();
      this.#schedule();
    });
  }

  #tick(): void {
    const { nowMs } = this.#times();
    const due = [...this.#entries.values()].filter(({ probing }) => probing.dueMs <= nowMs);
    const pressing = due.filter(({ probing }) => isPressing(probing));
    const others = due.filter(({ probing }) => !isPressing(probing));
    let budget = PROBES_PER_TICK;
    for (const entry of [...pressing, ...others]) {
      if (budget === 0) return;
      budget -= this.#handle(entry, { kind: 'due' });
    }
  }

  /** Returns how many frames were sent. */
  #handle(neighbour: KeptNeighbour, event: ProbingEvent): number {
    const key = keyOfNeighbour(neighbour);
    const entry = this.#entries.get(key);
    if (!entry || this.#stopped) return 0;
    const before = entry.probing;
    const { state, effects } = stepProbing(before, event, this.#times());
    entry.probing = state;
    const sent = effects.reduce((sum, effect) => sum + this.#perform(entry, effect), 0);
    if (sent > 0) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    const { mac, gone, dueMs } = entry.probing;
    // Within a tick the next one is chosen at its end.
    if (event.kind !== 'due' && dueMs < this.#tickAtMs) this.#schedule();
    if (mac !== before.mac || gone !== before.gone) this.#parts.onChange(entry);
    return sent;
  }

  #perform(entry: Entry, effect: ProbingEffect): number {
    if (effect.kind === 'tellKernel') {
      this.#tellKernel(entry, effect.mac);
      return 0;
    }
    if (this.#wire.ask(entry, effect.mac)) return 1;
    entry.probing = stepProbing(entry.probing, { kind: 'unable' }, this.#times()).state;
    return 0;
  }

  #tellKernel({ ifindex, address }: KeptNeighbour, mac: Mac | undefined): void {
    const { network, log } = this.#parts;
    const known = network.neighbour(ifindex, address);
    // An entry that the administrator fixed is his; one that is not there cannot fail.
    if (known?.state === 'fixed' || (known === undefined && mac === undefined)) return;
    network.setNeighbour(ifindex, address, mac).then(
      () => {
        this.#refused = false;
      },
      (error: Error) => {
        if (this.#stopped || this.#refused) return;
        this.#refused = true;
        log.warn('The kernel cannot be told about a neighbour', { error });
      },
    );
  }
}
