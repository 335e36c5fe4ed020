/**
 * Maps whose writer may die: from one write on, perhaps in the middle of a value, nothing is written
 * any more, as after `kill -9`. What the writer still believes to do has no effect.
 */
import type { BpfMap, BpfObject } from '../../src/system/bpf.ts';

export interface MortalMaps {
  /** The writer dies with its `writes`-th write from now; of memory that one writes `words` words. */
  dieAfter(writes: number, words: number): void;
  /** Whether it is dead. */
  isDead(): boolean;
  /** Another writer begins. */
  revive(): void;
  /** Puts everything back as it was. */
  release(): void;
}

/** Of these maps, and of the rings' chunks. */
export function mortalMaps(object: BpfObject): MortalMaps {
  let left = Number.POSITIVE_INFINITY;
  let lastWords = 0;
  const memories = new Set<ArrayBufferLike>();
  const write = <T>(whole: () => T, instead: T): T => {
    left -= 1;
    return left > 0 ? whole() : instead;
  };

  for (const map of Object.values(object.maps)) {
    const { update, updateBatch, delete: remove } = map;
    Object.assign(map, {
      update: (key, value) => write(() => update.call(map, key, value), undefined),
      delete: (key) => write(() => remove.call(map, key), false),
      updateBatch(keys, values, count) {
        // A system call that a death cuts short has done a part of its work.
        write(() => updateBatch.call(map, keys, values, count), undefined);
        if (left === 0) updateBatch.call(map, keys, values, Math.min(count, lastWords));
      },
    } satisfies Partial<BpfMap>);
    try {
      memories.add(map.mapped());
    } catch {
      // Not every map has memory.
    }
  }
  const { addRingChunk } = object;
  Object.assign(object, {
    addRingChunk(index: number) {
      const chunk = addRingChunk.call(object, index);
      memories.add(chunk.mapped());
      return chunk;
    },
  });

  const { set } = Uint32Array.prototype;
  Uint32Array.prototype.set = function (values, offset) {
    if (!memories.has(this.buffer)) return set.call(this, values, offset);
    write(() => set.call(this, values, offset), undefined);
    if (left === 0) set.call(this, Array.from(values).slice(0, lastWords), offset);
  };

  return {
    dieAfter(writes, words) {
      left = writes;
      lastWords = words;
    },
    isDead: () => left <= 0,
    revive() {
      left = Number.POSITIVE_INFINITY;
    },
    release() {
      Uint32Array.prototype.set = set;
    },
  };
}
