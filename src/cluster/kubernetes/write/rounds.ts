import type { Address } from '../../../domain/address.ts';

/** What a write does to the addresses of one Service. */
export interface Move {
  readonly from: readonly Address[];
  readonly to: readonly Address[];
}

/** The moves that can be made at once, of those that wait for one another. */
export interface Round<M extends Move> {
  readonly ready: readonly M[];
  /** Has to be left without what others want before anybody can go on: there is a circle. */
  readonly breaks: M | undefined;
}

/**
 * An address is taken from one Service before it is given to another. Never empty where `moves` is
 * not: what cannot go in order (two that swap their addresses) begins with one that lets go.
 */
export function nextRound<M extends Move>(moves: readonly M[]): Round<M> {
  const leaving = new Map<Address, M>();
  for (const move of moves) for (const address of taken(move)) leaving.set(address, move);
  const waits = (move: M) =>
    given(move).some((address) => leaving.has(address) && leaving.get(address) !== move);
  const ready = moves.filter((move) => !waits(move));
  if (ready.length > 0) return { ready, breaks: undefined };
  return { ready, breaks: moves.find((move) => taken(move).length > 0) };
}

/** What a Service has to lose. */
export function taken({ from, to }: Move): readonly Address[] {
  return from.filter((address) => !to.includes(address));
}

/** What it is to get. */
export function given({ from, to }: Move): readonly Address[] {
  return to.filter((address) => !from.includes(address));
}

/** What it has and keeps. */
export function kept({ from, to }: Move): readonly Address[] {
  return from.filter((address) => to.includes(address));
}
