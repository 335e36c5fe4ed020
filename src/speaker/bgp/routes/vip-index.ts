import { KeyedMap } from '../../../domain/keyed-map.ts';
import type { PlannedBgpVip } from '../../../plan/bgp/planned-bgp-vip.ts';

/** Which addresses a prefix brings traffic for, by texts: what a peer is told of concerns these. */
export interface VipIndex {
  follow(vips: KeyedMap<PlannedBgpVip>): void;
  /** Those that are planned now: one that needs the prefix no more is told of by its plan. */
  vipsOf(prefixes: Iterable<string>): Set<string>;
}

export function createVipIndex(): VipIndex {
  let current = KeyedMap.empty<PlannedBgpVip>();
  const byPrefix = new Map<string, Set<string>>();

  function unlink(text: string, prefixes: readonly string[]) {
    for (const prefix of prefixes) {
      const texts = byPrefix.get(prefix);
      texts?.delete(text);
      if (texts?.size === 0) byPrefix.delete(prefix);
    }
  }

  function link(text: string, prefixes: readonly string[]) {
    for (const prefix of prefixes) {
      const texts = byPrefix.get(prefix) ?? new Set();
      byPrefix.set(prefix, texts.add(text));
    }
  }

  return {
    follow(vips) {
      for (const text of vips.changedKeys(current)) {
        unlink(text, current.get(text)?.prefixes ?? []);
        link(text, vips.get(text)?.prefixes ?? []);
      }
      current = vips;
    },
    vipsOf(prefixes) {
      const texts = new Set<string>();
      for (const prefix of prefixes) for (const text of byPrefix.get(prefix) ?? []) texts.add(text);
      return texts;
    },
  };
}
