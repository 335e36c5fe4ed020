import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Behaviour } from '../../lab/kubernetes/fault-proxy.ts';
import { answer, halfLine, hang, noise, refusal } from '../../lab/kubernetes/faults.ts';
import { addressesOf, untilAddress, writeEndpoints, writeService } from './pair/cluster-view.ts';
import type { PairPod } from './pair/edge-pair.ts';
import { answers, complaintsOf, startLoad } from './pair/load.ts';
import { buildTwoBoxes, type TwoBoxes, until } from './pair/two-boxes.ts';
import { FIRST, SECOND, serveFirstAndSecond } from './pair/two-services.ts';

/**
 * What can be wrong with an API server's answers, with two boxes at work: packets and announcements go on
 * as if nothing were, and what was missed is caught up.
 */
const ALL = /^/;
/** How long a fault lasts when nothing else is said. */
const FAULT_MS = 1200;
/** Pauses between tries may have grown to several times the length of the fault. */
const CATCH_UP_MS = 25_000;

let site: TwoBoxes;
let late = 0;

test.before(async () => {
  site = await buildTwoBoxes();
  await serveFirstAndSecond(site);
});

test.after.always(() => site?.remove());

/** Who answers new connections to `first`, of many. */
async function namesBehindFirst(): Promise<string> {
  const names = new Set<string>();
  for (let i = 0; i < 4; i++) names.add((await answers(site.client, FIRST)) ?? '');
  return [...names].sort().join();
}

interface Fault {
  begin(): unknown;
  end(): unknown;
  /** How long it lasts. */
  readonly ms?: number;
}

/**
 * Runs a fault under load. Meanwhile somebody gives `first` another Pod and makes a new Service; both
 * come about when the fault is over. Resolves with what was announced unasked.
 */
async function goesOn(t: ExecutionContext, { begin, end, ms = FAULT_MS }: Fault) {
  const { plane, client, wire } = site;
  const before = wire.unasked().length;
  const loads = await Promise.all([FIRST, SECOND].map((vip) => startLoad(client, vip, ms + 1500)));
  const startMs = performance.now();
  await begin();
  late += 1;
  const name = `late-${late}`;
  const pod = site.pods[late % site.pods.length] as PairPod;
  await writeEndpoints(plane, 'first', [pod.addresses[0]]);
  await writeService(plane, name);
  await sleep(Math.max(0, ms - (performance.now() - startMs)));
  t.deepEqual(await addressesOf(plane, name), [], 'there was nobody who could');
  const endMs = performance.now();
  await end();
  await untilAddress(plane, name, CATCH_UP_MS);
  await until('the new Pod alone answers', async () => {
    return (await namesBehindFirst()) === pod.name || undefined;
  });
  t.log(`caught up after ${Math.round(performance.now() - endMs)} ms`);
  for (const load of loads) t.deepEqual(await complaintsOf(load), []);
  return wire.unasked().slice(before);
}

const FAULTS: readonly (readonly [string, Behaviour])[] = [
  ['answers 500', refusal(500, 'InternalError')],
  ['answers 429', refusal(429, 'TooManyRequests', { 'retry-after': '1' })],
  ['answers 403', refusal(403, 'Forbidden')],
  ['answers garbage', noise],
  ['answers half a line', halfLine],
  ['says nothing, and calls it a success', answer(200, {})],
];

for (const [what, behaviour] of FAULTS) {
  test.serial(`an API server that ${what} disturbs nobody`, async (t) => {
    const { proxy } = site;
    const begin = () => {
      proxy.rule(ALL, behaviour);
      proxy.reset();
    };
    t.deepEqual(await goesOn(t, { begin, end: proxy.clear }), [], 'nothing was announced anew');
  });
}

test.serial('links to the API server that die silently disturb nobody', async (t) => {
  const { proxy } = site;
  const begin = () => {
    proxy.rule(ALL, hang);
    proxy.freeze();
  };
  t.deepEqual(await goesOn(t, { begin, end: proxy.clear, ms: 6000 }), []);
});
