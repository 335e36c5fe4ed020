/**
 * Longest sequence for unequal weights; longer ones are scaled down. One place for each is kept, so
 * more backends than this make a longer one, with equal weights.
 */
export const SEQUENCE_PLACES_MAX = 8192;

/**
 * Weights divided by their common divisor; scaled down, rounded, when they add up to more than
 * `SEQUENCE_PLACES_MAX` places. None becomes less than 1.
 */
export function reducedWeights(weights: readonly number[]): readonly number[] {
  const divisor = weights.reduce(commonDivisor, 0);
  const reduced = weights.map((weight) => weight / divisor);
  const sum = reduced.reduce((total, weight) => total + weight, 0);
  if (sum <= SEQUENCE_PLACES_MAX) return reduced;
  const spare = Math.max(0, SEQUENCE_PLACES_MAX - weights.length);
  return reduced.map((weight) => Math.max(1, Math.floor((weight * spare) / sum)));
}

/**
 * Smooth weighted round robin, as nginx does it: each index as often as its weight says, and never
 * more often in a row than it must be. Cost grows with the number of weights times their sum.
 */
export function smoothSequence(weights: readonly number[]): Uint16Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total === weights.length) return Uint16Array.from(weights.keys());
  const current = new Float64Array(weights.length);
  return new Uint16Array(total).map(() => {
    let best = 0;
    for (let i = 0; i < current.length; i++) {
      current[i] = (current[i] as number) + (weights[i] as number);
      if ((current[i] as number) > (current[best] as number)) best = i;
    }
    current[best] = (current[best] as number) - total;
    return best;
  });
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
