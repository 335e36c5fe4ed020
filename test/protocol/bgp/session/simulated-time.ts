/** Time that passes only when there is something to do, and chance that a seed decides. */
export interface SimulatedTime {
  nowMs(): number;
  /** 0 to below 1. */
  random(): number;
  /** Runs `task` after so much simulated time; tasks of one moment in the order of their asking. */
  after(delayMs: number, task: () => void): void;
  /** Lets the time pass; `watch` is called after each task. */
  run(untilMs: number, watch?: () => void): void;
}

interface Task {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export function simulateTime(seed: number): SimulatedTime {
  const heap: Task[] = [];
  let now = 0;
  let order = 0;

  return {
    nowMs: () => now,
    random: randomFrom(seed),
    after(delayMs, run) {
      push(heap, { atMs: now + delayMs, order: order++, run });
    },
    run(untilMs, watch) {
      for (let next = heap[0]; next !== undefined && next.atMs <= untilMs; next = heap[0]) {
        pop(heap);
        now = next.atMs;
        next.run();
        watch?.();
      }
      now = untilMs;
    },
  };
}

function isBefore(a: Task, b: Task): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: Task[], task: Task): void {
  let at = heap.length;
  heap.push(task);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(task, heap[parent] as Task)) break;
    heap[at] = heap[parent] as Task;
    at = parent;
  }
  heap[at] = task;
}

function pop(heap: Task[]): void {
  const last = heap.pop() as Task;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Task, heap[child] as Task)) child++;
    if (!isBefore(heap[child] as Task, last)) break;
    heap[at] = heap[child] as Task;
    at = child;
  }
  heap[at] = last;
}

/** mulberry32 */
function randomFrom(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b9);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
