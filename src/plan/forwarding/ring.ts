import { formatAddress } from '../../domain/address.ts';
import {
  type Backend,
  RENDEZVOUS_BACKENDS_MAX,
  type VirtualServer,
} from '../../domain/forwarding.ts';
import type { Scheduler } from '../../domain/scheduler.ts';
import { maglevSize, maglevTable } from '../maglev.ts';
import { reducedWeights, smoothSequence } from './weighted-sequence.ts';

/** How a server's backends are chosen from, with the table for it. */
export type Choosing = Pick<VirtualServer, 'choice' | 'ring'>;

/**
 * Without a table wherever a hash decides and all weights are equal. All backends count, in use or
 * not, so that one which fails and comes back does not change the method; only those of weight 0
 * say nothing about equality.
 */
export function choiceOf(
  scheduler: Scheduler,
  backends: readonly Pick<Backend, 'weight'>[],
): VirtualServer['choice'] {
  if (scheduler === 'round-robin' || scheduler === 'least-connections') return 'ring';
  const weights = new Set(backends.map(({ weight }) => weight));
  weights.delete(0);
  return weights.size <= 1 && backends.length <= RENDEZVOUS_BACKENDS_MAX ? 'rendezvous' : 'ring';
}

/** The ring of those that take new flows, as indices into `backends`. */
export function chooseFrom(scheduler: Scheduler, backends: readonly Backend[]): Choosing {
  const choice = choiceOf(scheduler, backends);
  const active = [...backends.keys()].filter((index) => backends[index]?.use === 'active');
  if (choice === 'rendezvous' || active.length <= 1) {
    return { choice, ring: Uint16Array.from(active) };
  }
  const members = active.map((index) => backends[index] as Backend);
  const places = placesOf(scheduler, members, backends.length);
  return { choice, ring: places.map((place) => active[place] as number) };
}

/** True when the ring of `before` serves `now` as well. */
export function sameChoosing(
  before: VirtualServer,
  now: Pick<VirtualServer, 'scheduler' | 'backends'>,
): boolean {
  return (
    before.scheduler === now.scheduler &&
    before.backends.length === now.backends.length &&
    now.backends.every((backend, index) => {
      const other = before.backends[index] as Backend;
      return (
        other.id === backend.id &&
        other.weight === backend.weight &&
        (other.use === 'active') === (backend.use === 'active')
      );
    })
  );
}

function placesOf(
  scheduler: Scheduler,
  members: readonly Backend[],
  backends: number,
): Uint16Array {
  const weights = members.map(({ weight }) => weight);
  switch (scheduler) {
    case 'round-robin':
      return smoothSequence(reducedWeights(weights));
    case 'least-connections':
      return Uint16Array.from(
        reducedWeights(weights).flatMap((weight, index) => Array<number>(weight).fill(index)),
      );
    default:
      // The size follows all backends, so that one which fails and comes back does not resize it.
      return maglevTable(maglevMembers(members), maglevSize(backends));
  }
}

/**
 * The key is the address alone, so that a client with affinity meets the same endpoint on every
 * port.
 */
function maglevMembers(members: readonly Backend[]) {
  const seen = new Set<string>();
  return members.map(({ address, id, weight }) => {
    const text = formatAddress(address);
    const key = seen.has(text) ? id : text;
    seen.add(text);
    return { key, weight };
  });
}
