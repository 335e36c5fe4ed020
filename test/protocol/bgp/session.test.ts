import test from 'ava';
import { notification } from '../../../src/protocol/bgp/notification-codes.ts';
import { isAgreed, isAttempt } from '../../../src/protocol/bgp/session/session-state.ts';
import { lackOf } from './session/invariants.ts';
import { CONFIG, GRACEFUL } from './session/scenario.ts';
import { type Network, type SpeakerOptions, simulateNetwork } from './session/simulated-network.ts';
import { simulateTime } from './session/simulated-time.ts';

/** Speakers against each other, over a TCP that a seed makes late, broken or mute. */

const FAULTS_MS = 120_000;
/** What was cut or down is so no longer than that. */
const LONGEST_FAULT_MS = 20_000;
/** Half-open connections take a hold time, or 4 minutes before the OPEN; then a wait, then a retry. */
const BOUND_MS = 600_000;
const RESET = notification(6, 4);
const MALFORMED = notification(3, 1);

/** Two that can speak to each other, each as the seed likes. */
function pair(seed: number): SpeakerOptions[] {
  const { random } = simulateTime(seed);
  const chance = (share: number) => random() < share;
  const internal = chance(0.3);
  const sameId = !internal && chance(0.2);
  const onlyListener = chance(0.3) ? Math.floor(random() * 2) : undefined;
  return [0, 1].map((side) => {
    const holdTimeMs = 3000 + Math.floor(random() * 88) * 1000;
    return {
      listens: onlyListener === undefined || onlyListener === side,
      config: {
        ...CONFIG,
        localAsn: internal ? 64512 : 64512 + side,
        peerAsn: internal ? 'internal' : 'external',
        routerId: sameId ? 7 : 2 + Math.floor(random() * 2 ** 31) * 2 - side,
        holdTimeMs,
        keepaliveMs: holdTimeMs / 3,
        connectRetryMs: 1000 + random() * 119_000,
        passive: onlyListener === side && chance(0.5),
        gracefulRestart: chance(0.5) ? GRACEFUL : undefined,
      },
    };
  });
}

function start(network: Network): void {
  for (const speaker of network.speakers) network.after(network.random() * 30, speaker.boot);
}

/** Both sides of a session are Established on one connection, and have no other. */
function isSettled(network: Network, first: number): boolean {
  const here = network.open(first);
  const there = network.open(first + 1);
  const both = network.established(first);
  if (both === undefined || both !== network.established(first + 1)) return false;
  return here.length === 1 && there.length === 1;
}

function isAllSettled(network: Network): boolean {
  return network.speakers.every((_, i) => i % 2 === 1 || isSettled(network, i));
}

/** Until all are settled, or too late; how long it took in ms. */
function settle(network: Network): number {
  const sinceMs = network.nowMs();
  while (!isAllSettled(network) && network.nowMs() < sinceMs + BOUND_MS)
    network.run(network.nowMs() + 500);
  return network.nowMs() - sinceMs;
}

/** One of all that can happen to speakers and the network between them. */
function injectFault(network: Network): void {
  const which = Math.floor(network.random() * network.speakers.length);
  const speaker = network.speakers[which] as Network['speakers'][number];
  const later = (task: () => void) => network.after(network.random() * LONGEST_FAULT_MS, task);
  const said = network.random() < 0.5 ? RESET : undefined;
  const faults: readonly (() => void)[] = [
    () => {
      network.cut(true);
      later(() => network.cut(false));
    },
    () => {
      speaker.crash();
      later(speaker.boot);
    },
    () => network.breakConnections(which, true),
    () => network.breakConnections(which, false),
    () => speaker.dispatch({ kind: 'reset', notification: said }),
    () => {
      speaker.dispatch({ kind: 'stop', notification: said });
      later(() => speaker.dispatch({ kind: 'start' }));
    },
    () => {
      speaker.dispatch({ kind: 'bfdUp' });
      later(() => speaker.dispatch({ kind: 'bfdDown', reason: 'no packets' }));
    },
    () => {
      for (const { id } of speaker.state().connections)
        speaker.dispatch({ kind: 'fault', connection: id, notification: MALFORMED });
    },
  ];
  faults[Math.floor(network.random() * faults.length)]?.();
}

test('speakers that begin together settle on one connection at once, and stay on it', (t) => {
  let collisions = 0;
  for (let seed = 1; seed <= 1500; seed++) {
    const delayMs = seed % 2 === 0 ? 50 : 400;
    const network = simulateNetwork({ seed, speakers: pair(seed), delayMs });
    let hasCollided = false;
    start(network);
    network.run(15_000, () => {
      const [here, there] = [network.established(0), network.established(1)];
      if (here !== undefined && there !== undefined && here !== there)
        t.fail(`Seed ${seed}: each side is on a connection of its own`);
      hasCollided ||= network.speakers.some(
        (speaker) => speaker.state().connections.filter((one) => !isAttempt(one)).length > 1,
      );
    });
    if (hasCollided) collisions++;
    if (!isSettled(network, 0)) t.fail(`Seed ${seed}: not settled after 15 s`);
    const established = network.speakers.map((speaker) => speaker.count('established'));
    if (established.join() !== '1,1') t.fail(`Seed ${seed}: established ${established} times`);
  }
  t.log(`${collisions} of 1,500 with two connections open at once`);
  t.true(collisions > 300);
});

test('speakers settle on one connection when faults are over, whatever they were', (t) => {
  const tookMs: number[] = [];
  let lost = 0;
  for (let seed = 1; seed <= 1500; seed++) {
    const network = simulateNetwork({ seed, speakers: pair(seed), delayMs: 300 });
    start(network);
    for (let i = 0; i < 8; i++)
      network.after(network.random() * FAULTS_MS, () => injectFault(network));
    network.run(FAULTS_MS + LONGEST_FAULT_MS, () => checkStates(network, seed));
    // A connection that is dead on one side alone looks well until the hold time is over.
    network.run(network.nowMs() + 100_000);
    tookMs.push(settle(network));
    const before = network.speakers.map((speaker) => speaker.count('lost'));
    network.run(network.nowMs() + 60_000);
    const after = network.speakers.map((speaker) => speaker.count('lost'));
    lost += before.reduce((sum, one) => sum + one, 0);
    if (!isSettled(network, 0)) t.fail(`Seed ${seed}: not settled ${BOUND_MS} ms after all faults`);
    if (before.join() !== after.join()) t.fail(`Seed ${seed}: lost again without a fault`);
  }
  t.log(`${lost} sessions lost; the last one was back ${Math.max(...tookMs) / 1000} s after`);
  t.true(lost > 5000);
});

/** What holds at every moment, faults or not. */
function checkStates(network: Network, seed: number): void {
  network.speakers.forEach((speaker, i) => {
    const lack = lackOf(speaker.state(), speaker.config);
    if (lack !== undefined) throw new Error(`Seed ${seed}: speaker ${i} ${lack}`);
  });
}

test('a mesh of four boxes comes together while each restarts', (t) => {
  for (let seed = 1; seed <= 100; seed++) {
    // Six sessions, two sides each; who stands on which box:
    const boxes = [
      [0, 2, 4],
      [1, 6, 8],
      [3, 7, 10],
      [5, 9, 11],
    ];
    const speakers = Array.from({ length: 6 }, (_, i) => pair(seed * 10 + i)).flat();
    const network = simulateNetwork({ seed, speakers, delayMs: 200 });
    start(network);
    for (const box of boxes) {
      const sides = box.map((i) => network.speakers[i] as Network['speakers'][number]);
      network.after(network.random() * FAULTS_MS, () => {
        for (const side of sides) side.crash();
        network.after(network.random() * LONGEST_FAULT_MS, () => {
          for (const side of sides) side.boot();
        });
      });
    }
    network.run(FAULTS_MS + LONGEST_FAULT_MS + 100_000);
    settle(network);
    if (!isAllSettled(network)) t.fail(`Seed ${seed}: not settled`);
  }
  t.pass();
});

test('a session over a path that swallows everything ends within the hold time on both sides', (t) => {
  for (let seed = 1; seed <= 200; seed++) {
    const speakers = pair(seed);
    const holdMs = Math.min(...speakers.map(({ config }) => config.holdTimeMs));
    const network = simulateNetwork({ seed, speakers, delayMs: 50 });
    start(network);
    network.run(30_000);
    if (!isSettled(network, 0)) t.fail(`Seed ${seed}: not settled`);
    network.cut(true);
    network.run(network.nowMs() + holdMs + 200);
    const left = network.speakers.filter(({ state }) => state().connections.some(isAgreed));
    if (left.length > 0) t.fail(`Seed ${seed}: still believes in the session`);
  }
  t.pass();
});
