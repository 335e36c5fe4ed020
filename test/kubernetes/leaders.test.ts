import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { inParallel } from '../../lab/kubernetes/bulk.ts';
import { leader, readService, SERVICES, writePool, writeService } from './pair/cluster-view.ts';
import { BOXES, type BoxName } from './pair/edge-pair.ts';
import { LEASE_DURATION_MS, type PairBox } from './pair/pair-box.ts';
import { buildTwoBoxes, type TwoBoxes, until } from './pair/two-boxes.ts';

/** Two controllers of which one leads, and is lost while Services of their class pour in. */
const EACH_TIME = 70;
/** Not theirs by the settings, and left alone. */
const UNCLASSED = 'unclassed';
const CLASS = 'tidegate.io/tidegate';
/** What comes on top of the Lease: a retry, reading everything anew, and a busy machine. */
const TAKE_OVER_EXTRA_MS = 8000;

let site: TwoBoxes;
let created = 0;

test.before(async () => {
  site = await buildTwoBoxes({ settings: 'loadBalancer: { handleUnclassed: false }' });
  await writePool(site.plane, 'public', ['198.51.100.0/24']);
  await writeService(site.plane, UNCLASSED);
  await Promise.all(BOXES.map((name) => site.boxes[name].start(['controller'])));
});

test.after.always(() => site?.remove());

/** Addresses by Service, as they are at one moment. */
async function given(): Promise<ReadonlyMap<string, readonly string[]>> {
  const { items } = await site.plane.must('GET', SERVICES);
  return new Map(
    items
      .filter((it: { spec: object }) => 'loadBalancerClass' in it.spec)
      // biome-ignore lint/suspicious/noExplicitAny: an object as the server sent it
      .map(({ metadata, status }: any) => [
        metadata.name,
        (status?.loadBalancer?.ingress ?? []).map(({ ip }: { ip: string }) => ip),
      ]),
  );
}

/** Sees to it that no moment shows an address twice, until it is ended. */
function watchForDoubles() {
  let isOn = true;
  let moments = 0;
  const doubles: string[] = [];
  const work = (async () => {
    while (isOn) {
      const all = [...(await given()).values()].flat();
      moments += 1;
      doubles.push(...all.filter((ip, index) => all.indexOf(ip) !== index));
      await sleep(20);
    }
  })();
  return async () => {
    isOn = false;
    await work;
    return { doubles, looked: moments > 2 };
  };
}

/**
 * Lets Services pour in, and something befall the leader in the midst of it. Resolves with who led
 * before, and how long it took until the other one did, in ms.
 */
async function whilePouring(t: ExecutionContext, befall: (box: PairBox) => Promise<void> | void) {
  const { plane, boxes } = site;
  const before = await until('somebody leads', () => leader(plane));
  const found = await given();
  const endWatch = watchForDoubles();
  const first = created;
  created += EACH_TIME;
  let tookMs = 0;
  await inParallel(EACH_TIME, async (i) => {
    await writeService(plane, `bulk-${first + i}`, { spec: { loadBalancerClass: CLASS } });
    if (i !== EACH_TIME / 2) return;
    const startMs = performance.now();
    await befall(boxes[before]);
    await until('another leads', async () => {
      const now = await leader(plane);
      return (now !== undefined && now !== before) || undefined;
    });
    tookMs = Math.round(performance.now() - startMs);
  });
  await until('each has its address', async () => {
    const all = [...(await given()).values()];
    return all.every(({ length }) => length === 1) || undefined;
  });
  t.deepEqual(await endWatch(), { doubles: [], looked: true });
  const now = await given();
  t.is(now.size, created);
  t.is(new Set([...now.values()].flat()).size, created);
  const unclassed = await readService(plane, UNCLASSED);
  t.deepEqual([unclassed.status.loadBalancer, unclassed.metadata.finalizers], [{}, undefined]);
  for (const [name, addresses] of found) t.deepEqual(now.get(name), addresses, 'none changes');
  return { before, tookMs };
}

async function leadsNow(wanted: BoxName): Promise<boolean> {
  return (await leader(site.plane)) === wanted;
}

test.serial(
  'a leader that freezes loses its place, and does no harm when it wakes up',
  async (t) => {
    const { before, tookMs } = await whilePouring(t, (box) => box.signal('controller', 'SIGSTOP'));
    t.log(`take-over from a frozen leader: ${tookMs} ms`);
    t.true(tookMs < LEASE_DURATION_MS + TAKE_OVER_EXTRA_MS);
    const settled = await given();
    site.boxes[before].signal('controller', 'SIGCONT');
    await sleep(2000);
    t.deepEqual(await given(), settled);
    t.false(await leadsNow(before));
  },
);

test.serial('another one leads when the leader is killed', async (t) => {
  const { before, tookMs } = await whilePouring(t, (box) => box.stop('SIGKILL', ['controller']));
  t.log(`take-over from a killed leader: ${tookMs} ms`);
  t.true(tookMs < LEASE_DURATION_MS + TAKE_OVER_EXTRA_MS);
  await site.boxes[before].start(['controller']);
});

test.serial('a leader that is stopped hands over at once', async (t) => {
  const { before, tookMs } = await whilePouring(t, (box) => box.stop('SIGTERM', ['controller']));
  t.log(`hand-over from a stopped leader: ${tookMs} ms`);
  // Well before its Lease would have run out.
  t.true(tookMs < LEASE_DURATION_MS - 500, `${tookMs}`);
  await site.boxes[before].start(['controller']);
});
