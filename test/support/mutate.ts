/** Deterministic noise for fuzzing: the same seed makes the same bytes. */
export interface Mutator {
  /**
   * Writes a damaged copy of `original` into `into` and returns its length: bytes set to
   * random or telling values, bits flipped, cut short, or made longer.
   */
  mutate(original: Uint8Array, into: Uint8Array): number;
  /** 0 … below - 1. */
  random(below: number): number;
}

const TELLING = [0, 1, 2, 4, 6, 16, 127, 128, 254, 255];

export function createMutator(seed: number): Mutator {
  let state = seed | 1;
  /** xorshift32 (Marsaglia). */
  function random(below: number): number {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  }
  return {
    random,
    mutate(original, into) {
      into.set(original);
      let length = original.length;
      const damage = 1 + random(3);
      for (let i = 0; i < damage; i++) {
        const at = random(length + 1);
        switch (random(5)) {
          case 0:
            into[at] = random(256);
            break;
          case 1:
            into[at] = TELLING[random(TELLING.length)] ?? 0;
            break;
          case 2:
            into[at] = (into[at] ?? 0) ^ (1 << random(8));
            break;
          case 3:
            length = at;
            break;
          default:
            length = Math.min(into.length, length + random(9));
        }
      }
      return length;
    },
  };
}
