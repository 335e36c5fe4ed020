import test from 'ava';
import { createLab, type Lab } from '../../lab/lab.ts';
import { runChaos } from './chaos.ts';
import type { Trouble } from './chaos-client.ts';

/**
 * A bad year in seconds. Another one: CHAOS_SEED, a longer one: CHAOS_EVENTS (about one a second).
 */
const SEED = Number(process.env['CHAOS_SEED'] ?? 8);
const EVENTS = Number(process.env['CHAOS_EVENTS'] ?? 10);
/** Of new connections, outside of outages of their own path. */
const FAILURES_ALLOWED = 1 / 1000;

let lab: Lab | undefined;

test.after.always(() => lab?.remove());

test('open connections outlive whatever happens, and new ones get through', async (t) => {
  lab = createLab();
  const { client, outages, events } = await runChaos(lab, { seed: SEED, events: EVENTS });
  const startMs = Number.parseInt(events[0] ?? '', 10);
  const isExcused = ({ startedMs, endedMs }: Trouble) =>
    outages.some((outage) => startedMs <= outage.endedMs && endedMs >= outage.startedMs);
  const tell = (troubles: readonly Trouble[]) =>
    troubles.map(
      ({ startedMs, endedMs, what }) => `${startedMs - startMs} to ${endedMs - startMs}: ${what}`,
    );
  const failed = client.failed.filter((trouble) => !isExcused(trouble));
  t.log(
    events.map((event) => event.replace(/^\d+/, (at) => String(Number(at) - startMs))),
    { outages: tell(outages), failed: tell(failed), fresh: client.fresh, talk: client.exchanges },
  );
  t.deepEqual(tell(client.broken), [], 'no open connection ended, none met another backend');
  t.deepEqual(tell(client.still.filter((trouble) => !isExcused(trouble))), []);
  t.true(failed.length <= Math.ceil(client.fresh * FAILURES_ALLOWED), tell(failed).join('\n'));
  t.true(client.fresh > 20 * EVENTS && client.exchanges > 100 * EVENTS);
});
