import { setTimeout as sleep } from 'node:timers/promises';
import { untilCondition, writeAdvertisement, writePool, writeService } from './cluster-view.ts';
import { BOXES, vipOf } from './edge-pair.ts';
import { answers } from './load.ts';
import { type TwoBoxes, until } from './two-boxes.ts';
import type { Wire } from './wire.ts';

/** Addresses of the Services `first`, which edge-1 announces, and `second`, which edge-2 does. */
export const FIRST = vipOf('edge-1', 4);
export const SECOND = vipOf('edge-2', 4);

/** The last round of a burst has been when nothing came for so long. */
const QUIET_MS = 1500;

/** Starts both boxes with these two; resolves when all is at rest. */
export async function serveFirstAndSecond({ plane, boxes, client, pods, wire }: TwoBoxes) {
  await writePool(plane, 'public', ['192.0.2.100-192.0.2.199']);
  await writeAdvertisement(plane, 'all');
  const all = pods.map(({ addresses }) => addresses[0]);
  await writeService(plane, 'first', { vip: FIRST, pods: all });
  await writeService(plane, 'second', { vip: SECOND, pods: all });
  await Promise.all(BOXES.map((name) => boxes[name].start()));
  for (const name of ['first', 'second'])
    await untilCondition(plane, name, 'tidegate.io/Announced', 'True');
  await until('both answer', async () => {
    const names = await Promise.all([FIRST, SECOND].map((vip) => answers(client, vip)));
    return names.every((name) => name !== undefined) || undefined;
  });
  await until('each box has its address', () => {
    const settled = wire.wayTo(FIRST) === 'edge-1' && wire.wayTo(SECOND) === 'edge-2';
    return settled || undefined;
  });
  await untilQuiet(wire);
}

/** Waits until nobody announces anything unasked any more. */
export async function untilQuiet(wire: Wire): Promise<void> {
  let before = -1;
  await until('the bursts are over', async () => {
    const now = wire.unasked().length;
    if (now === before) return true;
    before = now;
    await sleep(QUIET_MS);
    return undefined;
  });
}
