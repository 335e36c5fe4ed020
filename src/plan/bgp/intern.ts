import type { BgpRoute, RouteAttributes } from '../../domain/bgp/bgp-route.ts';
import type { ObjectKey } from '../../domain/object.ts';
import { attributesText, mergeAttributes } from './attributes.ts';

export type ByPeer = BgpRoute['byPeer'];

/** Makes equal attributes, and equal maps of them, one object, so that they compare by identity. */
export interface Interner {
  byPeer(entries: Iterable<readonly [ObjectKey, RouteAttributes]>): ByPeer;
  /** The route that several ask for. */
  merge(all: readonly ByPeer[]): ByPeer;
}

/** Knows what is in `known` from the beginning. */
export function createInterner(known: Iterable<ByPeer>): Interner {
  const attributes = new Map<string, RouteAttributes>();
  const maps = new Map<string, ByPeer>();

  function internAttributes(value: RouteAttributes): RouteAttributes {
    const text = attributesText(value);
    const same = attributes.get(text) ?? value;
    attributes.set(text, same);
    return same;
  }

  function byPeer(entries: Iterable<readonly [ObjectKey, RouteAttributes]>): ByPeer {
    const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
    const text = sorted.map(([key, value]) => `${key} ${attributesText(value)}`).join('\n');
    const same =
      maps.get(text) ?? new Map(sorted.map(([key, value]) => [key, internAttributes(value)]));
    maps.set(text, same);
    return same;
  }

  for (const map of new Set(known)) {
    for (const value of map.values()) internAttributes(value);
    maps.set([...map].map(([key, value]) => `${key} ${attributesText(value)}`).join('\n'), map);
  }

  return {
    byPeer,
    merge(all) {
      const [first, ...others] = all;
      if (first && others.length === 0) return first;
      const merged = new Map<ObjectKey, RouteAttributes>();
      for (const map of all)
        for (const [key, value] of map) {
          const before = merged.get(key);
          merged.set(key, before && before !== value ? mergeAttributes(before, value) : value);
        }
      return byPeer(merged);
    },
  };
}
