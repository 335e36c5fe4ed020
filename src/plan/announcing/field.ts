import type { Snapshot } from '../../domain/snapshot.ts';
import { type Box, type Boxes, boxesOf, type OwnBox } from './boxes.ts';
import { announcesEverything, type Rules, rulesOf } from './rules.ts';

/** What decides about announcing besides Services: boxes, pools and advertisements. */
export interface Field {
  readonly boxes: Boxes;
  /** The same object while no address can have got other rules or another set of candidates. */
  readonly rules: Rules;
  readonly own: OwnBox;
  readonly snapshot: Snapshot;
}

/** Keeps of the field before what did not change. */
export function fieldOf(before: Field | undefined, snapshot: Snapshot, own: OwnBox): Field {
  const then = before?.own === own ? before : undefined;
  const boxes = boxesOf(snapshot, own, then);
  const sameRules =
    then?.boxes.signature === boxes.signature &&
    then.snapshot.pools === snapshot.pools &&
    then.snapshot.l2Advertisements === snapshot.l2Advertisements &&
    announcesEverything(then.snapshot) === announcesEverything(snapshot);
  const rules = sameRules ? then.rules : rulesOf(snapshot, boxes);
  return { boxes, rules, own, snapshot };
}

/** Texts of addresses that some box withholds in only one of the two. */
export function withheldChanges(before: Boxes, now: Boxes): Set<string> {
  const changed = new Set<string>();
  if (before === now) return changed;
  const then = new Map(before.all.map((box) => [box.name, box.withheld]));
  for (const { name, withheld } of now.all) {
    const old: Box['withheld'] = then.get(name) ?? new Set();
    for (const text of withheld.symmetricDifference(old)) changed.add(text);
  }
  return changed;
}
