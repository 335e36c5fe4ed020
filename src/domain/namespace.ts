import type { ObjectMeta } from './object.ts';

/** A Namespace; pools select by its name and labels. */
export type Namespace = ObjectMeta;
