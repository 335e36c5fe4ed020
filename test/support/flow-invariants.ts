/** What must hold of the flow table and the reverse index whenever no packet is under way. */
import { dataplaneAbi } from '../../src/system/bpf.ts';
import type { Dataplane } from './dataplane-fixture.ts';

const { constants, structs } = dataplaneAbi();
const TAG_RANDOM_BITS = constants['TG_FLOW_TAG_RANDOM_BITS'] ?? 0;
const PROXIED = constants['TG_FLOW_PROXIED'] ?? 0;
/** TG_FLOW_CLOSING and TG_FLOW_TIME_WAIT. */
const OVER: readonly number[] = [3, 6];

/** Sentences about what is wrong; empty when all is well. */
export function invariantBreaches(dataplane: Dataplane): string[] {
  const size = structs['tg_flow']?.size ?? 64;
  const table = new DataView(dataplane.map('flows').mapped());
  const reverse = new DataView(dataplane.map('reverse').mapped());
  const hints = new DataView(dataplane.map('flow_hints').mapped());
  const breaches: string[] = [];

  for (let entry = 0; entry < table.byteLength / size; entry++) {
    const tag = table.getUint32(entry * size, true);
    const state = table.getUint8(entry * size + (structs['tg_flow']?.offsets['state'] ?? 0));
    const hint = hints.getUint8(entry);
    const wanted = tag === constants['TG_FLOW_FREE'] ? 0 : (tag >>> TAG_RANDOM_BITS) & 255 || 1;
    if (hint !== wanted) breaches.push(`entry ${entry} has tag ${tag} and hint ${hint}`);
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
  const offsets = new DataView(dataplane.map('offsets').mapped());
  const cookieAt = structs['tg_offset']?.offsets['cookie'] ?? 0;
  for (const [index, { flags }] of live) {
    if ((flags & PROXIED) > 0 && offsets.getUint32(index * 8 + cookieAt, true) === 0)
      breaches.push(`flow ${index} was opened by a cookie that is not there`);
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

/**
 * Sentences about backends whose count of open flows is not the table's: to be asked right after a
 * sweep, as counts may drift between two.
 */
export function countBreaches(dataplane: Dataplane): string[] {
  const counts = new BigUint64Array(dataplane.map('backend_flows').mapped());
  const open = new Map<number, number>();
  for (const { backend, state } of dataplane.flows())
    if (!OVER.includes(state)) open.set(backend, (open.get(backend) ?? 0) + 1);
  return [...counts.entries()]
    .filter(([backend, count]) => Number(count) !== (open.get(backend) ?? 0))
    .map(([backend, count]) => `backend ${backend} counts ${count} of ${open.get(backend) ?? 0}`);
}
