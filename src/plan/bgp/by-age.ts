import type { ObjectMeta } from '../../domain/object.ts';

/** The older first; of the same age, and where ages are not known, by key. For sorting. */
export function byAge(a: ObjectMeta, b: ObjectMeta): number {
  return a.createdMs - b.createdMs || (a.key < b.key ? -1 : 1);
}
