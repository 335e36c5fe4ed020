/** Width of one slot, ms. Items come out when their own time is due, not their slot's. */
const SLOT_MS = 10;
/** 10.24 s a turn; what is due later stays in its slot for more turns. */
const SLOTS = 1024;

/**
 * A timing wheel: many timers of which few are due at once. All times are ms on one monotonic clock.
 * Adding, moving and cancelling cost O(1) whatever the number of items.
 */
export interface Wheel<T> {
  readonly size: number;
  /** Adds `item`, or moves it when it is in already. */
  schedule(item: T, atMs: number): void;
  cancel(item: T): void;
  /** Takes out what is due at `nowMs`, in slot order. `nowMs` never goes back. */
  advance(nowMs: number): T[];
  /** A time no later than the first item's; `undefined` when empty. Costs a walk over the wheel. */
  wakeMs(): number | undefined;
}

export function createWheel<T>(startMs: number): Wheel<T> {
  const slots = Array.from({ length: SLOTS }, () => new Set<T>());
  const times = new Map<T, number>();
  let current = Math.floor(startMs / SLOT_MS);
  const slotOf = (atMs: number) =>
    slots[Math.max(Math.floor(atMs / SLOT_MS), current) % SLOTS] as Set<T>;
  // An item lies in the slot that was right when it was added: `current` moves past a slot only when
  // the slot holds nothing due, so for what is left in there the answer stays the same.
  const cancel = (item: T) => {
    const atMs = times.get(item);
    if (atMs === undefined) return;
    slotOf(atMs).delete(item);
    times.delete(item);
  };
  const takeDue = (slot: Set<T>, nowMs: number, due: T[]) => {
    for (const item of slot) {
      if ((times.get(item) ?? 0) > nowMs) continue;
      slot.delete(item);
      times.delete(item);
      due.push(item);
    }
  };

  return {
    get size() {
      return times.size;
    },
    schedule(item, atMs) {
      cancel(item);
      times.set(item, atMs);
      slotOf(atMs).add(item);
    },
    cancel,
    advance(nowMs) {
      const due: T[] = [];
      const last = Math.max(Math.floor(nowMs / SLOT_MS), current);
      const first = Math.max(current, last - SLOTS + 1);
      for (let slot = first; slot <= last; slot++)
        takeDue(slots[slot % SLOTS] as Set<T>, nowMs, due);
      current = last;
      return due;
    },
    wakeMs() {
      if (times.size === 0) return undefined;
      for (let slot = current; slot < current + SLOTS; slot++) {
        let first = Number.POSITIVE_INFINITY;
        for (const item of slots[slot % SLOTS] as Set<T>)
          first = Math.min(first, times.get(item) ?? 0);
        if (first < (slot + 1) * SLOT_MS) return first;
      }
      return (current + SLOTS) * SLOT_MS;
    },
  };
}
