import type { BpfMap, BpfObject } from '../../system/bpf.ts';

/** A map of the program. Throws when it has none of that name: object file and code differ. */
export function bpfMap(object: BpfObject, name: string): BpfMap {
  const map = object.maps[name];
  if (!map)
    throw new Error(`The XDP program has no map "${name}"; rebuild it with "npm run build"`);
  return map;
}
