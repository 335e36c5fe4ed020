import test from 'ava';
import {
  addressesOf,
  L2_STATUSES,
  readService,
  SERVICES,
  untilAddress,
  untilCondition,
  writeAdvertisement,
  writePool,
  writeService,
} from './pair/cluster-view.ts';
import { BOXES, type BoxName, vipOf } from './pair/edge-pair.ts';
import { answers, complaintsOf, startLoad } from './pair/load.ts';
import { HEARTBEAT_LIFETIME_MS } from './pair/pair-box.ts';
import { buildTwoBoxes, type TwoBoxes, until } from './pair/two-boxes.ts';

/**
 * Two boxes and a real API server, every role a process with rights of its own: who announces what, and
 * what becomes of it when a box is drained, dies and comes back, while clients are at work.
 */
const FIRST = vipOf('edge-1', 4);
const SECOND = vipOf('edge-2', 4);
const V6 = vipOf('edge-1', 6);
const VIPS = { first: FIRST, second: SECOND, six: V6 };
/** What a planned hand-over may take, on a machine that is busy with other things. */
const HAND_OVER_MS = 3000;

let site: TwoBoxes;
let pods: readonly string[];

test.before(async () => {
  site = await buildTwoBoxes();
  const { plane, boxes } = site;
  pods = site.pods.map(({ addresses }) => addresses[0]);
  await writePool(plane, 'public', ['192.0.2.100-192.0.2.199', '2001:db8:f::100-2001:db8:f::199']);
  await writeAdvertisement(plane, 'all');
  await writeService(plane, 'first', { vip: FIRST, pods });
  await writeService(plane, 'second', { vip: SECOND, pods });
  const six = site.pods.map(({ addresses }) => addresses[1]);
  await writeService(plane, 'six', { vip: V6, pods: six });
  await Promise.all(BOXES.map((name) => boxes[name].start()));
});

test.after.always(() => site?.remove());

/** Waits until exactly this box answers for an address. */
async function untilOnly(vip: string, box: BoxName | undefined): Promise<void> {
  const wanted = box === undefined ? '' : box;
  await until(`only "${wanted}" answers for ${vip}`, async () => {
    return (await site.wire.answerersOf(vip)).join() === wanted || undefined;
  });
}

const untilAnnounced = (service: string, boxes: readonly BoxName[]) =>
  until(`${service} is announced by ${boxes} in the cluster's eyes`, async () => {
    const query = `labelSelector=metallb.io/service-name=${service}`;
    const { items } = await site.plane.must('GET', `${L2_STATUSES}?${query}`);
    const nodes = items.map((it: { status?: { node: string } }) => it.status?.node).sort();
    return nodes.join() === boxes.join() || undefined;
  });

/** Drains a box, or ends that; resolves with how long until the other one has the address, in ms. */
async function drain(name: BoxName, is: boolean, vip: string, next: BoxName): Promise<number> {
  const { plane, wire } = site;
  const startMs = performance.now();
  const patch = JSON.stringify({ spec: { drain: is } });
  await plane.kubectl(['patch', 'edgenode', name, '--type', 'merge', '-p', patch]);
  await until(`${vip} lives at ${next}`, () => wire.wayTo(vip) === next || undefined);
  return Math.round(performance.now() - startMs);
}

test.serial('each address is announced by one box, and kubectl shows which', async (t) => {
  const { plane, client } = site;
  for (const [name, vip] of Object.entries(VIPS)) {
    t.is(await untilAddress(plane, name), vip);
    await untilCondition(plane, name, 'tidegate.io/Announced', 'True');
    await untilCondition(plane, name, 'tidegate.io/Serving', 'True');
  }
  await Promise.all([
    untilOnly(FIRST, 'edge-1'),
    untilOnly(SECOND, 'edge-2'),
    untilOnly(V6, 'edge-1'),
  ]);
  await untilAnnounced('first', ['edge-1']);
  await untilAnnounced('second', ['edge-2']);
  for (const vip of Object.values(VIPS)) t.regex((await answers(client, vip)) ?? '', /^pod-/);

  const table = await plane.kubectl(['get', 'edgenodes', '-o', 'wide']);
  t.regex(table, /^edge-1 +True +\["forwarder","speaker"\] +2 +False /m);
  t.regex(table, /^edge-2 +True +\["forwarder","speaker"\] +1 +False /m);
  const services = await plane.kubectl(['get', 'services']);
  t.regex(services, new RegExp(`^second +LoadBalancer +\\S+ +${SECOND} `, 'm'));
  const described = await plane.kubectl(['describe', 'service', 'second']);
  t.regex(described, /Normal +IPAllocated +.*tidegate-controller +Assigned IP/);
  t.regex(described, /Normal +nodeAssigned +.*from node "edge-2" with protocol "layer2"/);
  const statuses = await plane.kubectl(['get', 'servicel2statuses', '-n', 'metallb-system']);
  t.regex(statuses, /edge-2 +second +default/);
});

test.serial('a drained box hands its addresses over at once', async (t) => {
  const { plane, client, boxes } = site;
  const affected = await startLoad(client, FIRST, 3000);
  const other = await startLoad(client, SECOND, 3000);
  const tookMs = await drain('edge-1', true, FIRST, 'edge-2');
  t.regex((await answers(client, FIRST)) ?? '', /^pod-/, 'a new connection at once');
  const { longestGapMs } = await affected.udp;
  t.log(`hand-over by drain: ${tookMs} ms, longest gap ${longestGapMs} ms`);
  t.true(longestGapMs < HAND_OVER_MS, `${longestGapMs}`);
  t.deepEqual(await complaintsOf(other), []);
  // The other box knows nothing of these connections, and says so at once.
  const { failures } = await affected.tcp;
  t.deepEqual(new Set(failures), new Set(['read ECONNRESET']));
  await Promise.all([FIRST, V6].map((vip) => untilOnly(vip, 'edge-2')));
  await untilAnnounced('first', ['edge-2']);
  await until('kubectl shows it', async () => {
    const shown = await plane.kubectl(['get', 'edge']);
    return /^edge-1 .* 0 +True /m.test(shown) || undefined;
  });
  const { stdout } = await boxes['edge-1'].ask('explain', 'service', 'default/first');
  t.regex(stdout, /drain/i);

  const backMs = await drain('edge-1', false, FIRST, 'edge-1');
  t.log(`back again: ${backMs} ms`);
  await untilOnly(FIRST, 'edge-1');
  await untilAnnounced('first', ['edge-1']);
});

test.serial('the other box takes over when one loses its power, and gives back', async (t) => {
  const { client, boxes, wire, plane } = site;
  const affected = await startLoad(client, FIRST, HEARTBEAT_LIFETIME_MS + 2500);
  const other = await startLoad(client, SECOND, HEARTBEAT_LIFETIME_MS + 2500);
  const startMs = performance.now();
  await boxes['edge-1'].die();
  await until('the other has it', () => wire.wayTo(FIRST) === 'edge-2' || undefined);
  const tookMs = performance.now() - startMs;
  t.regex((await answers(client, FIRST)) ?? '', /^pod-/);
  t.regex((await answers(client, V6)) ?? '', /^pod-/);
  const { longestGapMs } = await affected.udp;
  t.log(`take-over by death: ${Math.round(tookMs)} ms, longest gap ${longestGapMs} ms`);
  t.true(longestGapMs < HEARTBEAT_LIFETIME_MS + HAND_OVER_MS, `${longestGapMs}`);
  t.deepEqual(await complaintsOf(other), []);
  await affected.tcp;

  // Deleted while the box that announced it cannot say that it does no more.
  await plane.must('DELETE', `${SERVICES}/six`);
  const gone = async () => (await readService(plane, 'six')) === undefined || undefined;
  const deletedMs = performance.now();
  await until('it is gone', gone);
  t.log(`deleted with a dead box: ${Math.round(performance.now() - deletedMs)} ms`);

  boxes['edge-1'].revive();
  await boxes['edge-1'].start();
  await until('it is back', () => wire.wayTo(FIRST) === 'edge-1' || undefined);
  await untilOnly(FIRST, 'edge-1');
  await untilAnnounced('first', ['edge-1']);
  t.deepEqual(await addressesOf(plane, 'first'), [FIRST]);
});

test.serial('a box that alone loses the API server is replaced until it is back', async (t) => {
  const { client, boxes, wire } = site;
  const other = await startLoad(client, SECOND, HEARTBEAT_LIFETIME_MS + 1500);
  boxes['edge-1'].cutOff();
  await until('the other has it', () => wire.wayTo(FIRST) === 'edge-2' || undefined);
  // It cannot know that it is the only one, and goes on; either box serves who comes.
  t.true((await wire.answerersOf(FIRST)).includes('edge-2'));
  t.regex((await answers(client, FIRST)) ?? '', /^pod-/);
  t.deepEqual(await complaintsOf(other), []);
  boxes['edge-1'].rejoin();
  await untilOnly(FIRST, 'edge-1');
  t.regex((await answers(client, FIRST)) ?? '', /^pod-/);
});

test.serial('a deleted Service is taken off the wire before its address is free', async (t) => {
  const { plane, client, wire } = site;
  await plane.must('DELETE', `${SERVICES}/second`);
  await writeService(plane, 'heir', { vip: SECOND, pods });
  // The finalizer goes only when no box announces it: whoever sees it gone finds nobody answering
  // for it, or for the heir.
  await until('it is gone', async () => {
    return (await readService(plane, 'second')) === undefined || undefined;
  });
  t.is(await untilAddress(plane, 'heir'), SECOND);
  await until('the heir answers', async () => (await answers(client, SECOND)) || undefined);
  t.deepEqual(await wire.answerersOf(SECOND), ['edge-2']);
  await plane.must('DELETE', `${SERVICES}/heir`);
  await untilOnly(SECOND, undefined);
  await until('nobody answers', async () => {
    return (await answers(client, SECOND)) === undefined || undefined;
  });
});

test.serial(
  'a box that dies before it could withdraw holds a deletion up for a bound',
  async (t) => {
    const { plane, boxes, client, wire } = site;
    await boxes['edge-1'].die();
    const startMs = performance.now();
    await plane.must('DELETE', `${SERVICES}/first`);
    await until('it is gone', async () => {
      return (await readService(plane, 'first')) === undefined || undefined;
    });
    const tookMs = performance.now() - startMs;
    t.log(`deleted while its box died: ${Math.round(tookMs)} ms`);
    await writeService(plane, 'heir', { vip: FIRST, pods });
    t.is(await untilAddress(plane, 'heir'), FIRST);
    await until('the heir answers', async () => (await answers(client, FIRST)) || undefined);
    t.is(wire.wayTo(FIRST), 'edge-2');
  },
);
