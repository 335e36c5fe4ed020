import type { Box } from './boxes.ts';
import type { Rule } from './rules.ts';
import { sha256 } from './sha256.ts';

const encoder = new TextEncoder();

/**
 * The box that owns an address: MetalLB's choice, which every box makes for itself from the same
 * objects. The highest sum of preferences, then the smallest SHA-256 of `box#text`; so a box that comes
 * or goes moves only what it gets or had. `text` is the first address of the Service, so that its
 * families stay together; both are as in MetalLB's speaker, so that a migration moves nothing.
 *
 * Boxes that say they cannot announce the address come last: when all of them say so, their word may
 * only not have come yet that now they can. Empty when no box is known to be at work.
 */
export function ownerOf(
  address: string,
  text: string,
  rules: readonly Rule[],
  boxes: readonly Box[],
): string {
  const candidates = boxes.filter(
    ({ name, candidate }) => candidate && rules.some(({ weights }) => weights.has(name)),
  );
  const able = candidates.filter(({ withheld }) => !withheld.has(address));
  return firstOf(able.length > 0 ? able : candidates, text, rules);
}

function firstOf(boxes: readonly Box[], text: string, rules: readonly Rule[]): string {
  const scores = boxes.map(({ name }) =>
    rules.reduce((sum, { weights }) => sum + (weights.get(name) ?? 0), 0),
  );
  const highest = Math.max(...scores);
  const [first = '', ...others] = boxes
    .map(({ name }) => name)
    .filter((_, index) => scores[index] === highest);
  if (others.length === 0) return first;
  let best = { name: first, rank: rankOf(first, text) };
  for (const name of others) {
    const rank = rankOf(name, text);
    if (isLess(rank, best.rank)) best = { name, rank };
  }
  return best.name;
}

function rankOf(box: string, text: string): Uint32Array {
  return sha256(encoder.encode(`${box}#${text}`));
}

/** As bytes compare in network order. */
function isLess(a: Uint32Array, b: Uint32Array): boolean {
  const at = a.findIndex((word, index) => word !== b[index]);
  return at >= 0 && (a[at] as number) < (b[at] as number);
}
