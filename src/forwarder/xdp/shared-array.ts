import type { BpfMap } from '../../system/bpf.ts';
import type { Codec } from './abi.ts';

/**
 * An array map whose values are memory that the kernel shares with us: read and written in place.
 */
export interface SharedArray<T> {
  readonly length: number;
  get(index: number): T;
  /** Writes the value unless it stands there already; true when it wrote. */
  set(index: number, value: T): boolean;
  /** Indices from 1 on whose value is not all zero. */
  occupied(): Iterable<number>;
}

/**
 * A packet that is being worked on in that very moment may read a value half old, half new; callers
 * write a value whole only while nothing refers to it, or where such a mixture does no harm.
 */
export function sharedArray<T>(map: BpfMap, codec: Codec<T>): SharedArray<T> {
  const memory = map.mapped();
  const view = new DataView(memory);
  const words = new Uint32Array(memory, 0, Math.floor(memory.byteLength / 4));
  // The kernel keeps the values of an array map at multiples of 8 bytes.
  const strideBytes = Math.ceil(map.valueSize / 8) * 8;
  const valueWords = strideBytes / 4;
  const scratch = new DataView(new ArrayBuffer(strideBytes));
  const fresh = new Uint32Array(scratch.buffer);
  return {
    length: map.maxEntries,
    get: (index) => codec.read(view, index * strideBytes),
    set(index, value) {
      codec.write(scratch, 0, value);
      const at = index * valueWords;
      for (let i = 0; i < valueWords; i++) {
        if (words[at + i] === fresh[i]) continue;
        words.set(fresh, at);
        return true;
      }
      return false;
    },
    *occupied() {
      for (let index = 1; index < map.maxEntries; index++) {
        const at = index * valueWords;
        for (let i = at; i < at + valueWords; i++) {
          if (words[i] === 0) continue;
          yield index;
          break;
        }
      }
    },
  };
}
