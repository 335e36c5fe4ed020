import type { Address } from '../domain/address.ts';
import type { Clock } from '../domain/clock.ts';
import type { Network } from './network.ts';

/** A host on a link whose MAC address packets are sent to. */
export interface KeptNeighbour {
  readonly ifindex: number;
  readonly address: Address;
}

/**
 * Keeps neighbours resolved. Packets that XDP forwards never pass the kernel's own tables, so it has
 * no reason to resolve or confirm anybody; it is asked to, again and again, at a bounded rate.
 */
export interface NeighbourKeeper {
  keep(neighbour: KeptNeighbour): void;
  release(neighbour: KeptNeighbour): void;
  /** The kernel's entry changed: looks at it at once. */
  changed(ifindex: number, address: Address): void;
  /** Why the kernel refuses to resolve it, as an errno's name; empty when it does not. */
  refusal(neighbour: KeptNeighbour): string;
  stop(): void;
}

export interface NeighbourKeeperParts {
  readonly network: Network;
  readonly clock: Clock;
  /** The kernel refuses now, or no longer refuses, to resolve it. */
  readonly onRefusal: (neighbour: KeptNeighbour) => void;
}

/** A confirmed neighbour is asked for so often; the kernel confirms it when 15 to 45 s have passed. */
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

export function keepNeighbours({
  network,
  clock,
  onRefusal,
}: NeighbourKeeperParts): NeighbourKeeper {
  const entries = new Map<string, Entry>();
  const due = new Set<Entry>();
  let budget = USES_PER_TICK;
  let cancel = clock.after(TICK_MS, tick);

  function tick(): void {
    cancel = clock.after(TICK_MS, tick);
    budget = USES_PER_TICK;
    const now = clock.monotonicMs();
    for (const entry of entries.values()) if (entry.dueMs <= now) due.add(entry);
    useDue();
  }

  function useDue(): void {
    for (const entry of due) {
      if (budget === 0) return;
      budget -= 1;
      due.delete(entry);
      use(entry);
    }
  }

  function use(entry: Entry): void {
    const { ifindex, address } = entry;
    entry.dueMs = clock.monotonicMs() + delayMs(entry);
    // The kernel would take "use" for the end of the administrator's word.
    if (network.neighbour(ifindex, address)?.state === 'fixed') return;
    network.useNeighbour(ifindex, address).then(
      () => setRefusal(entry, ''),
      (error: NodeJS.ErrnoException) => setRefusal(entry, error.code ?? error.message),
    );
  }

  function delayMs(entry: Entry): number {
    if (network.neighbour(entry.ifindex, entry.address)?.mac !== undefined) {
      entry.failures = 0;
      return REFRESH_MS;
    }
    entry.failures += 1;
    return Math.min(RETRY_MIN_MS * 2 ** Math.min(entry.failures - 1, 10), RETRY_MAX_MS);
  }

  function setRefusal(entry: Entry, refusal: string): void {
    if (entry.refusal === refusal || entry.users === 0) return;
    entry.refusal = refusal;
    onRefusal(entry);
  }

  return {
    keep(neighbour) {
      const key = keyOf(neighbour);
      const known = entries.get(key);
      if (known) {
        known.users += 1;
        return;
      }
      const { ifindex, address } = neighbour;
      const entry = { ifindex, address, users: 1, dueMs: 0, failures: 0, refusal: '' };
      entries.set(key, entry);
      due.add(entry);
      useDue();
    },
    release(neighbour) {
      const entry = entries.get(keyOf(neighbour));
      if (!entry) return;
      entry.users -= 1;
      if (entry.users > 0) return;
      entries.delete(keyOf(neighbour));
      due.delete(entry);
    },
    changed(ifindex, address) {
      const entry = entries.get(keyOf({ ifindex, address }));
      if (!entry) return;
      const now = network.neighbour(ifindex, address);
      // Stale: has it confirmed. Forgotten: has it resolved anew. Failed ones wait for their turn.
      if (now !== undefined && now.state !== 'stale') return;
      due.add(entry);
      useDue();
    },
    refusal: (neighbour) => entries.get(keyOf(neighbour))?.refusal ?? '',
    stop: () => cancel(),
  };
}

function keyOf({ ifindex, address }: KeptNeighbour): string {
  return `${ifindex} ${address}`;
}
