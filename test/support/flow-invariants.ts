/** What must hold of the flow table and the reverse index whenever no packet is under way. */
import { dataplaneAbi } from '../../src/system/bpf.ts';
import type { Dataplane } from './dataplane-fixture.ts';

/** Sentences about what is wrong; empty when all is well. */
export function invariantBreaches(dataplane: Dataplane): string[] {
  const { constants, structs } = dataplaneAbi();
  const size = structs['tg_flow']?.size ?? 64;
  const table = new DataView(dataplane.map('flows').mapped());
  const reverse = new DataView(dataplane.map('reverse').mapped());
  const hints = new DataView(dataplane.map('flow_hints').mapped());
  const breaches: string[] = [];

  for (let entry = 0; entry < table.byteLength / size; entry++) {
    const tag = table.getUint32(entry * size, true);
    const state = table.getUint8(entry * size + (structs['tg_flow']?.offsets['state'] ?? 0));
    const hint = hints.getUint8(entry);
    if ((tag === constants['TG_FLOW_FREE']) !== (hint === 0))
      breaches.push(`entry ${entry} has tag ${tag} and hint ${hint}`);
    if (tag !== constants['TG_FLOW_FREE'] && state === constants['TG_FLOW_CLAIMED'])
      breaches.push(`entry ${entry} is still claimed`);
  }

  const live = new Map(dataplane.flows().map((flow) => [flow.index, flow]));
  const slots = new Map<number, number>();
  for (let slot = 0; slot < reverse.byteLength / 8; slot++) {
    const owner = reverse.getUint32(slot * 8, true);
    if (owner === 0) continue;
    slots.set(owner - 1, (slots.get(owner - 1) ?? 0) + 1);
    if (!live.has(owner - 1)) breaches.push(`slot ${slot} belongs to ${owner - 1}, which is free`);
  }
  for (const index of live.keys()) {
    const count = slots.get(index) ?? 0;
    if (count !== 1) breaches.push(`flow ${index} has ${count} slots in the reverse index`);
  }

  const tuples = new Set<string>();
  for (const entry of live.keys()) {
    const start = entry * size;
    const client = Buffer.from(table.buffer, start + 8, 18).toString('hex');
    const tuple = `${client} ${live.get(entry)?.server}`;
    if (tuples.has(tuple)) breaches.push(`entry ${entry} repeats tuple ${tuple}`);
    tuples.add(tuple);
  }
  return breaches;
}
