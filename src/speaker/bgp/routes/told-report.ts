import type { Clock } from '../../../domain/clock.ts';
import type { KeyedMap } from '../../../domain/keyed-map.ts';
import type { PlannedBgpVip } from '../../../plan/bgp/planned-bgp-vip.ts';
import { createVipIndex } from './vip-index.ts';

/** Collects what peers have been told, to be said of the addresses that it concerns. */
export interface ToldReport {
  /** The addresses as they are planned from now on. */
  follow(vips: KeyedMap<PlannedBgpVip>): void;
  /** A peer knows of these prefixes what it did not know before. */
  note(prefixes: readonly string[]): void;
  /** Says what was collected, now. */
  flush(): void;
}

/** A table that is told in parts is reported once. */
const SETTLE_MS = 20;

export function createToldReport(
  clock: Clock,
  onTold: (texts: ReadonlySet<string>) => void,
): ToldReport {
  const index = createVipIndex();
  let collected = new Set<string>();
  let cancel: (() => void) | undefined;

  function flush() {
    cancel?.();
    cancel = undefined;
    const texts = collected;
    collected = new Set();
    if (texts.size > 0) onTold(texts);
  }

  return {
    follow: index.follow,
    note(prefixes) {
      for (const text of index.vipsOf(prefixes)) collected.add(text);
      if (collected.size > 0) cancel ??= clock.after(SETTLE_MS, flush);
    },
    flush,
  };
}
