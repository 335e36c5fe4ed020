import type { Address } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Network } from '../network.ts';
import { type KeptNeighbour, keyOfNeighbour } from './kept-neighbour.ts';

export interface NeighbourKeeperParts {
  readonly network: Network;
  readonly clock: Clock;
  /** The kernel refuses now, or no longer refuses, to resolve it. */
  readonly onRefusal: (neighbour: KeptNeighbour) => void;
}

/**
 * A confirmed neighbour is asked for so often; the kernel confirms it when 15 to 45 s have passed.
 */
const REFRESH_MS = 10_000;
/** One that did not answer is asked for again so soon at first, and then ever more rarely. */
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 4000;
const TICK_MS = 250;
/** Bounds the work of one tick; what is left waits for the next. */
const USES_PER_TICK = 200;

interface Entry extends KeptNeighbour {
  users: number;
  dueMs: number;
  failures: number;
  refusal: string;
}

/**
 * Keeps neighbours resolved. Packets that XDP forwards never pass the kernel's own tables, so it
 * has no reason to resolve or confirm anybody; it is asked to, again and again, at a bounded rate.
 */
export class NeighbourKeeper {
  readonly #parts: NeighbourKeeperParts;
  readonly #entries = new Map<string, Entry>();
  readonly #due = new Set<Entry>();
  #budget = USES_PER_TICK;
  #cancel: () => void;

  constructor(parts: NeighbourKeeperParts) {
    this.#parts = parts;
    this.#cancel = parts.clock.after(TICK_MS, () => this.#tick());
  }

  keep(neighbour: KeptNeighbour): void {
    const key = keyOfNeighbour(neighbour);
    const known = this.#entries.get(key);
    if (known) {
      known.users += 1;
      return;
    }
    const { ifindex, address } = neighbour;
    const entry = { ifindex, address, users: 1, dueMs: 0, failures: 0, refusal: '' };
    this.#entries.set(key, entry);
    this.#due.add(entry);
    this.#useDue();
  }

  release(neighbour: KeptNeighbour): void {
    const entry = this.#entries.get(keyOfNeighbour(neighbour));
    if (!entry) return;
    entry.users -= 1;
    if (entry.users > 0) return;
    this.#entries.delete(keyOfNeighbour(neighbour));
    this.#due.delete(entry);
  }

  /** The kernel's entry changed: looks at it at once. */
  changed(ifindex: number, address: Address): void {
    const entry = this.#entries.get(keyOfNeighbour({ ifindex, address }));
    if (!entry) return;
    const now = this.#parts.network.neighbour(ifindex, address);
    // Stale: has it confirmed. Forgotten: has it resolved anew. Failed ones wait for their turn.
    if (now !== undefined && now.state !== 'stale') return;
    this.#due.add(entry);
    this.#useDue();
  }

  /** Why the kernel refuses to resolve it, as an errno's name; empty when it does not. */
  refusal(neighbour: KeptNeighbour): string {
    return this.#entries.get(keyOfNeighbour(neighbour))?.refusal ?? '';
  }

  stop(): void {
    this.#cancel();
  }

  #tick(): void {
    const { clock } = this.#parts;
    this.#cancel = clock.after(TICK_MS, () => this.#tick());
    this.#budget = USES_PER_TICK;
    const now = clock.monotonicMs();
    for (const entry of this.#entries.values()) if (entry.dueMs <= now) this.#due.add(entry);
    this.#useDue();
  }

  #useDue(): void {
    for (const entry of this.#due) {
      if (this.#budget === 0) return;
      this.#budget -= 1;
      this.#due.delete(entry);
      this.#use(entry);
    }
  }

  #use(entry: Entry): void {
    const { network, clock } = this.#parts;
    const { ifindex, address } = entry;
    entry.dueMs = clock.monotonicMs() + this.#delayMs(entry);
    // The kernel would take "use" for the end of the administrator's word.
    if (network.neighbour(ifindex, address)?.state === 'fixed') return;
    network.useNeighbour(ifindex, address).then(
      () => this.#setRefusal(entry, ''),
      (error: NodeJS.ErrnoException) => this.#setRefusal(entry, error.code ?? error.message),
    );
  }

  #delayMs(entry: Entry): number {
    if (this.#parts.network.neighbour(entry.ifindex, entry.address)?.mac !== undefined) {
      entry.failures = 0;
      return REFRESH_MS;
    }
    entry.failures += 1;
    return Math.min(RETRY_MIN_MS * 2 ** Math.min(entry.failures - 1, 10), RETRY_MAX_MS);
  }

  #setRefusal(entry: Entry, refusal: string): void {
    if (entry.refusal === refusal || entry.users === 0) return;
    entry.refusal = refusal;
    this.#parts.onRefusal(entry);
  }
}
