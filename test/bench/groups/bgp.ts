import { setTimeout as sleep } from 'node:timers/promises';
import { createLab, type Lab } from '../../../lab/lab.ts';
import { buildLan } from '../../../lab/lan.ts';
import { startBird } from '../../../lab/routers/bird.ts';
import { startFrr } from '../../../lab/routers/frr.ts';
import type { Router } from '../../../lab/routers/router.ts';
import type { BfdSessionList } from '../../../src/admin/api-bgp.ts';
import { type BgpBox, createBgpBox } from '../../netns/bgp-box.ts';
import { BOX_ASN, bfdProfileManifest, peerManifest, together } from '../../netns/bgp-manifests.ts';
import {
  type Announcer,
  announceByBird,
  announceByGobgp,
  announceByTidegate,
  startFullBox,
} from '../bgp-announcers.ts';
import { BIRD, FRR, GOBGP } from '../debian.ts';
import type { BenchContext, BenchGroup } from '../group.ts';
import { residentBytes } from '../proc.ts';
import { createRows, type Rows } from '../rows.ts';

const COUNTS = [10, 1000, 10_000];
const QUICK_COUNTS = [10, 1000];
const COMPARABLE = 10_000;
const FAN_OUT = 10_000;
const QUICK_FAN_OUT = 1000;
const PEERS = 8;
const RECEIVER_ASN = 65001;
const CUTS = 20;
const QUICK_CUTS = 5;
/** BFD's intervals in both directions, and how many packets may be missing. */
const TIMERS = { intervalMs: 50, multiplier: 3 };
const DETECTION_AIM_MS = 200;
const LOOK_MS = 2;
const PATIENCE_MS = 60_000;

/** How fast routers learn prefixes, and how fast a dead path is noticed. */
export const bgp: BenchGroup = {
  name: 'bgp',
  describe: `host routes announced to one receiver (BIRD), by each in turn: from the session being up to the
last route in the receiver's table, and the announcer's memory then (Tidegate's with its controller and
all Services). From the forwarder's word that all can be served to the last of 8 peers knowing. BFD at
3 × 50 ms: from packets being dropped to each side of BIRD saying so.`,
  needs: [BIRD, FRR, GOBGP],
  run: async (context) => {
    const rows = createRows();
    for (const count of context.quick ? QUICK_COUNTS : COUNTS) {
      await inLab((lab) => measureConvergence(lab, count, context, rows));
    }
    await inLab((lab) => measureFanOut(lab, context, rows));
    await inLab((lab) => measureDetection(lab, context, rows));
    return rows.all();
  },
};

async function inLab(measure: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = createLab();
  try {
    await measure(lab);
  } finally {
    lab.remove();
  }
}

async function measureConvergence(
  lab: Lab,
  count: number,
  { rounds, progress }: BenchContext,
  rows: Rows,
): Promise<void> {
  progress(`bgp: ${count} prefixes, starting`);
  const makers = { tidegate: announceByTidegate, bird: announceByBird, gobgp: announceByGobgp };
  const names = Object.keys(makers);
  const lan = buildLan(lab, ['receiver', 'feeder', ...names]);
  const [receiverAddress] = lan.addresses('receiver');
  const receiver = await startBird(lab, lan.host('receiver'), {
    asn: RECEIVER_ASN,
    routerId: receiverAddress,
    neighbours: names.map((name) => {
      return { address: lan.addresses(name)[0], asn: BOX_ASN, families: ['ipv4'] };
    }),
  });
  for (const peer of peersOf(names)) await receiver.ask(`disable ${peer}`);
  const announcers: Announcer[] = [];
  for (const [name, announce] of Object.entries(makers)) {
    const [address] = lan.addresses(name);
    const place = { lab, host: lan.host(name), address, count, receiverAsn: RECEIVER_ASN };
    const feeder = { host: lan.host('feeder'), address: lan.addresses('feeder')[0] };
    announcers.push(await announce({ ...place, receiver: receiverAddress, feeder }));
  }
  for (let round = 1; round <= rounds; round++) {
    for (const [index, { name }] of announcers.entries()) {
      progress(`bgp: ${count} prefixes, round ${round} of ${rounds}, ${name}`);
      const ms = await converge(receiver, `peer${index + 1}`, count);
      // Fewer take less time than what it is measured by.
      const others = index === 0 && count >= COMPARABLE ? announcers.slice(1) : [];
      const against = others.map((other) => ({ to: rowOf(count, other) }));
      rows.add({ name: rowOf(count, announcers[index] as Announcer), unit: 'ms', against }, ms);
    }
  }
  for (const { name, pid, close } of announcers) {
    const { all } = residentBytes(pid());
    await close?.();
    rows.add({ name: `${count} prefixes: memory of ${name}`, unit: 'MiB' }, all / 2 ** 20);
  }
}

const peersOf = (names: readonly string[]) => names.map((_, index) => `peer${index + 1}`);

const rowOf = (count: number, { name }: Announcer) => `${count} prefixes from ${name}`;

/**
 * ms from the session being up, which the receiver says itself, to the last route; it is down before and
 * after.
 */
async function converge(receiver: Router, peer: string, count: number): Promise<number> {
  await receiver.ask(`enable ${peer}`);
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const text = await receiver.ask(`show protocols all ${peer}`);
    const nowMs = Date.now();
    const routes = Number(/Routes:\s+(\d+) imported/.exec(text)?.[1] ?? 0);
    const since = / up +(\d\d):(\d\d):(\d\d)\.(\d{3}) +Established/.exec(text);
    if (since && routes >= count) {
      await receiver.ask(`disable ${peer}`);
      const [hours = 0, minutes, seconds, ms] = since.slice(1).map(Number);
      return nowMs - new Date(nowMs).setHours(hours, minutes, seconds, ms);
    }
    if (performance.now() > deadlineMs)
      throw new Error(`${peer} announced ${routes} of ${count}: ${text}`);
    await sleep(LOOK_MS);
  }
}

/** All addresses can be served at once, and several peers learn of all; then none can. */
async function measureFanOut(
  lab: Lab,
  { quick, rounds, progress }: BenchContext,
  rows: Rows,
): Promise<void> {
  const count = quick ? QUICK_FAN_OUT : FAN_OUT;
  progress(`bgp: ${count} prefixes to ${PEERS} peers, starting`);
  const lan = buildLan(lab, ['receiver', 'box']);
  // BIRD has one session with an address.
  const sessions = Array.from({ length: PEERS }, (_, index) => {
    return { address: `10.0.0.${101 + index}`, source: `10.0.0.${201 + index}` };
  });
  lan.host('receiver').ip(...sessions.map(({ address }) => `addr add ${address}/24 dev eth0`));
  lan.host('box').ip(...sessions.map(({ source }) => `addr add ${source}/24 dev eth0`));
  const receiver = await startBird(lab, lan.host('receiver'), {
    asn: RECEIVER_ASN,
    routerId: lan.addresses('receiver')[0],
    neighbours: sessions.map(({ address, source }) => {
      return { address: source, localAddress: address, asn: BOX_ASN, families: ['ipv4'] };
    }),
  });
  const place = { lab, host: lan.host('box'), count, receiverAsn: RECEIVER_ASN };
  const { box, served } = await startFullBox(place, sessions);
  const known = async () => {
    const text = await receiver.ask('show protocols all "peer*"');
    return [...text.matchAll(/Routes:\s+(\d+) imported/g)].map(([, routes]) => Number(routes));
  };
  const allKnow = (wanted: number) =>
    until(async () => {
      const counts = await known();
      return counts.length === PEERS && counts.every((each) => each === wanted);
    });
  await allKnow(count);
  for (let round = 1; round <= rounds; round++) {
    progress(`bgp: ${count} prefixes to ${PEERS} peers, round ${round} of ${rounds}`);
    const what = `${count} prefixes to ${PEERS} peers`;
    await box.serve({});
    await allKnow(0);
    const startedMs = performance.now();
    await box.serve(served);
    await allKnow(count);
    const ms = performance.now() - startedMs;
    rows.add({ name: `${what}, from "can be served"`, unit: 'ms', aim: { atMost: 1000 } }, ms);
  }
  await box.close();
}

/** Cuts BIRD off, again and again; those who watched it say when they noticed. */
async function measureDetection(
  lab: Lab,
  { quick, progress }: BenchContext,
  rows: Rows,
): Promise<void> {
  const lan = buildLan(lab, ['box', 'frr', 'bird']);
  const [box4, frr4, bird4] = ['box', 'frr', 'bird'].map((name) => lan.addresses(name)[0]) as [
    string,
    string,
    string,
  ];
  const box = await createBgpBox(lab, lan.host('box'));
  const interval = TIMERS.intervalMs;
  const profile = {
    receiveInterval: interval,
    transmitInterval: interval,
    detectMultiplier: TIMERS.multiplier,
  };
  const spec = { peerAddress: bird4, peerASN: RECEIVER_ASN, bfdProfile: 'fast' };
  box.write('bgp', together(bfdProfileManifest('fast', profile), peerManifest('bird', { spec })));
  await box.start();
  const frr = await startFrr(lab, lan.host('frr'), {
    asn: BOX_ASN,
    routerId: frr4,
    neighbours: [{ address: bird4, asn: RECEIVER_ASN, bfd: TIMERS }],
  });
  const bird = await startBird(lab, lan.host('bird'), {
    asn: RECEIVER_ASN,
    routerId: bird4,
    neighbours: [box4, frr4].map((address) => ({ address, asn: BOX_ASN, bfd: TIMERS })),
  });
  const birdSees = (address: string) => async () =>
    (await bird.bfdSessions()).some(({ neighbour, up }) => up && neighbour === address);
  const watchers: Readonly<Record<string, () => Promise<boolean>>> = {
    'Tidegate, of BIRD': () => boxSees(box),
    'FRR, of BIRD': async () => (await frr.bfdSessions()).some(({ up }) => up),
    'BIRD, of Tidegate': birdSees(box4),
    'BIRD, of FRR': birdSees(frr4),
  };
  const cuts = quick ? QUICK_CUTS : CUTS;
  for (let cut = 1; cut <= cuts; cut++) {
    progress(`bgp: path cut ${cut} of ${cuts}`);
    await Promise.all(Object.values(watchers).map((sees) => until(sees)));
    // Not in step with anybody's timers.
    await sleep(300 + Math.random() * 100);
    lan.bridge.run(['nft', '-f', '-'], CUT);
    const cutMs = performance.now();
    await Promise.all(
      Object.entries(watchers).map(async ([name, sees]) => {
        await until(async () => !(await sees()));
        const aim = name.startsWith('Tidegate') ? { aim: { atMost: DETECTION_AIM_MS } } : {};
        rows.add(
          { name: `dead path noticed by ${name}`, unit: 'ms', ...aim },
          performance.now() - cutMs,
        );
      }),
    );
    lan.bridge.run(['nft', 'delete', 'table', 'bridge', 'cut']);
  }
  await box.close();
  const ours = rows.all().find(({ name }) => name.endsWith('Tidegate, of BIRD'));
  const worst = Math.max(...(ours?.samples ?? []));
  rows.add({ name: 'worst of Tidegate', unit: 'ms', aim: { atMost: DETECTION_AIM_MS } }, worst);
}

const CUT = `table bridge cut {
  chain through {
    type filter hook forward priority 0;
    iifname "bird" drop
    oifname "bird" drop
  }
}`;

async function boxSees(box: BgpBox): Promise<boolean> {
  const { items } = await box.get<BfdSessionList>('/v1/bfd/sessions');
  return items.some(({ state }) => state === 'Up');
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`It did not happen: ${condition}`);
    await sleep(LOOK_MS);
  }
}
