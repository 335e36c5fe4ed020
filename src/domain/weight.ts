/** Label of a Pod, or of a Node, that says its share of new flows compared with others'. */
export const WEIGHT_LABEL = 'tidegate.io/weight';

export const WEIGHT_MAX = 100;

/** A weight as people write it: 0 (no new flows) to `WEIGHT_MAX`; `undefined` when it is none. */
export function parseWeight(text: string): number | undefined {
  const weight = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  return weight <= WEIGHT_MAX ? weight : undefined;
}
