import type { Abi } from '../../system/bpf.ts';

/** Where the fields of a struct stand, for values that are not read as a whole. */
export interface StructPlaces {
  /** Bytes. */
  readonly size: number;
  /** Throws when the addon is of another build. */
  offset(field: string): number;
}

/** Throws when the addon is of another build. */
export function structOf(abi: Abi, name: string): StructPlaces {
  const struct = abi.structs[name];
  const missing = (what: string) =>
    new Error(`The native addon does not know ${what}; rebuild it with "npm run build"`);
  if (!struct) throw missing(`struct ${name}`);
  return {
    size: struct.size,
    offset(field: string): number {
      const offset = struct.offsets[field];
      if (offset === undefined) throw missing(`field ${name}.${field}`);
      return offset;
    },
  };
}
