import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { Host } from '../../lab/host.ts';
import { neighbours } from './bfd-site.ts';
import { watchFrom } from './bfd-watcher.ts';

const HOLD_MS = 60_000;
/** The main thread is away for so long at a time, again and again. */
const BLOCK_MS = 2000;
const INTERVAL_MS = 50;

/** Something to do for every processor, as long as the lab is there. */
function keepBusy(host: Host): void {
  for (let i = 0; i < availableParallelism(); i++) host.start(['sh', '-c', 'while :; do :; done']);
}

test('3 × 50 ms hold for a minute while main threads stand still and all processors are busy', async (t) => {
  const { ours: left, theirs: right } = neighbours(t);
  const ends = [
    watchFrom(left, {
      wants: [{ four: { remote: '192.0.2.2' }, six: { remote: '2001:db8::2' } }],
      blockMs: BLOCK_MS,
    }),
    watchFrom(right, {
      wants: [{ four: { remote: '192.0.2.1' }, six: { remote: '2001:db8::1' } }],
      blockMs: BLOCK_MS,
    }),
  ];
  for (const end of ends) {
    for (const name of ['four', 'six']) await end.hears(name, { state: 'Up', remoteState: 'Up' });
  }
  keepBusy(left);
  await sleep(HOLD_MS);
  for (const end of ends) {
    for (const name of ['four', 'six']) {
      const session = await end.now(name);
      t.like(session, { state: 'Up', downEvents: 0, packetsDropped: 0, detectionTimeMs: 150 });
      t.true(session.packetsReceived > HOLD_MS / INTERVAL_MS, `${session.packetsReceived} packets`);
    }
    t.regex(end.output(), /"priority":"realtime"/);
  }
});
