import test from 'ava';
import type { BfdState } from '../../../src/domain/bgp/bfd-session.ts';
import type { ControlPacket } from '../../../src/protocol/bfd/control-packet.ts';
import { type Step, step } from '../../../src/protocol/bfd/session.ts';
import {
  createSession,
  detectionTimeMs,
  nextDeadlineMs,
  type SessionState,
  type SessionTimers,
  transmitIntervalUs,
} from '../../../src/protocol/bfd/session-state.ts';
import { controlPacket } from '../../support/bfd-packets.ts';
import { bfdPair } from '../../support/bfd-pair.ts';
import { createMutator } from '../../support/mutate.ts';

const FAST: SessionTimers = { transmitUs: 50_000, receiveUs: 50_000, detectMultiplier: 3 };
const NEVER = Number.POSITIVE_INFINITY;
const START = 1000;

function fresh(timers: SessionTimers = FAST, passive = false): SessionState {
  return createSession({ timers, passive, localDiscriminator: 7, nowMs: START });
}

function packetTo(
  session: SessionState,
  changes: Partial<ControlPacket>,
  nowMs = START + 10,
  random = 0,
): Step {
  const packet = controlPacket({ yourDiscriminator: 7, ...changes });
  return step(session, { kind: 'packet', packet }, { nowMs, random });
}

/** A session in this state, reached by the way a peer takes it there; the peer is fast as well. */
function sessionIn(state: BfdState, timers = FAST): SessionState {
  const down = fresh(timers);
  const init = packetTo(down, { state: 'Down', yourDiscriminator: 0 }).session;
  const up = packetTo(init, { state: 'Up', final: true, desiredMinTxUs: 50_000 }).session;
  switch (state) {
    case 'Down':
      return down;
    case 'Init':
      return init;
    case 'Up':
      return packetTo(up, { state: 'Up', final: true, desiredMinTxUs: 50_000 }).session;
    case 'AdminDown':
      return step(up, { kind: 'adminDown' }, { nowMs: START + 20, random: 0 }).session;
  }
}

/** RFC 5880 §6.2 and §6.8.6: our state, the peer's, ours afterwards, and the diagnostic. */
const TRANSITIONS: readonly [BfdState, BfdState, BfdState, number][] = [
  ['Down', 'AdminDown', 'Down', 0],
  ['Down', 'Down', 'Init', 0],
  ['Down', 'Init', 'Up', 0],
  ['Down', 'Up', 'Down', 0],
  ['Init', 'AdminDown', 'Down', 3],
  ['Init', 'Down', 'Init', 0],
  ['Init', 'Init', 'Up', 0],
  ['Init', 'Up', 'Up', 0],
  ['Up', 'AdminDown', 'Down', 3],
  ['Up', 'Down', 'Down', 3],
  ['Up', 'Init', 'Up', 0],
  ['Up', 'Up', 'Up', 0],
  ['AdminDown', 'AdminDown', 'AdminDown', 7],
  ['AdminDown', 'Down', 'AdminDown', 7],
  ['AdminDown', 'Init', 'AdminDown', 7],
  ['AdminDown', 'Up', 'AdminDown', 7],
];

for (const [ours, theirs, expected, diagnostic] of TRANSITIONS) {
  test(`a session in ${ours} is ${expected} after a packet that says ${theirs}`, (t) => {
    const { session, packets } = packetTo(sessionIn(ours), { state: theirs });
    t.is(session.state, expected);
    t.is(session.diagnostic, diagnostic);
    t.is(session.remoteState, theirs);
    // News go out at once, and say the same.
    t.is(packets.length, ours === expected ? 0 : 1);
    for (const packet of packets) t.is(packet.state, expected);
  });
}

/** The Detection Time passes in silence: what becomes of the state, and why. */
const SILENCE: readonly [BfdState, BfdState, number][] = [
  ['Init', 'Down', 1],
  ['Up', 'Down', 1],
  ['AdminDown', 'AdminDown', 7],
];

for (const [ours, expected, diagnostic] of SILENCE) {
  test(`a session in ${ours} is ${expected} after the Detection Time, and forgets the peer`, (t) => {
    const before = sessionIn(ours);
    const nowMs = before.detectAtMs;
    const early = step(before, { kind: 'time' }, { nowMs: nowMs - 1, random: 0 });
    t.is(early.session.state, ours);
    const { session } = step(before, { kind: 'time' }, { nowMs, random: 0 });
    t.is(session.state, expected);
    t.is(session.diagnostic, diagnostic);
    t.is(session.remoteDiscriminator, 0);
    t.is(session.detectAtMs, NEVER);
  });
}

test('a session in Down that hears nothing goes on by the slow timer', (t) => {
  const first = step(fresh(), { kind: 'time' }, { nowMs: START, random: 0.5 });
  t.is(first.packets.length, 1);
  t.like(first.packets[0], { state: 'Down', yourDiscriminator: 0, desiredMinTxUs: 1_000_000 });
  t.is(first.session.transmitAtMs, START + 875);
  t.is(first.session.detectAtMs, NEVER);
});

for (const state of ['Down', 'Init', 'Up', 'AdminDown'] as const) {
  test(`adminDown takes a session in ${state} down for good`, (t) => {
    const before = sessionIn(state);
    const { session, packets } = step(before, { kind: 'adminDown' }, { nowMs: START, random: 0 });
    t.is(session.state, 'AdminDown');
    t.is(session.diagnostic, 7);
    t.is(packets.length, state === 'AdminDown' ? 0 : 1);
    for (const packet of packets) t.like(packet, { state: 'AdminDown', diagnostic: 7 });
    t.is(session.desiredMinTxUs, 1_000_000);
  });
}

test('going Up begins a Poll Sequence for the fast interval, which the Final ends', (t) => {
  const up = packetTo(fresh(), { state: 'Init' });
  t.like(up.packets[0], { state: 'Up', poll: true, desiredMinTxUs: 50_000 });
  const answered = packetTo(up.session, { state: 'Up', final: true, desiredMinTxUs: 50_000 });
  t.is(answered.session.poll, 'none');
  t.is(detectionTimeMs(answered.session), 150);
  const nowMs = answered.session.transmitAtMs;
  const later = step(answered.session, { kind: 'time' }, { nowMs, random: 0 });
  t.like(later.packets, [{ poll: false, final: false }]);
});

test('a session whose interval is slow anyway goes Up without a Poll Sequence', (t) => {
  const slow = { transmitUs: 2_000_000, receiveUs: 2_000_000, detectMultiplier: 3 };
  const up = packetTo(fresh(slow), { state: 'Init' });
  t.like(up.packets, [{ state: 'Up', poll: false, desiredMinTxUs: 2_000_000 }]);
});

test('a Poll is answered at once by a Final, in every state but AdminDown', (t) => {
  for (const state of ['Down', 'Init', 'Up'] as const) {
    const same = state === 'Down' ? 'Up' : state === 'Init' ? 'Down' : 'Up';
    const { packets, session } = packetTo(sessionIn(state), { state: same, poll: true });
    t.deepEqual(
      packets.map(({ poll, final }) => ({ poll, final })),
      [{ poll: false, final: true }],
    );
    t.is(packets[0]?.state, session.state);
  }
  t.deepEqual(packetTo(sessionIn('AdminDown'), { state: 'Up', poll: true }).packets, []);
});

test('a Final and a Poll are never in one packet', (t) => {
  const { packets } = packetTo(sessionIn('Init'), { state: 'Up', poll: true });
  t.deepEqual(
    packets.map(({ poll, final }) => ({ poll, final })),
    [
      { poll: false, final: true },
      { poll: true, final: false },
    ],
  );
});

test('slower timers hold from the Final on, faster ones at once (§6.8.3)', (t) => {
  const slower = { transmitUs: 200_000, receiveUs: 20_000, detectMultiplier: 3 };
  const asked = step(
    sessionIn('Up'),
    { kind: 'configure', timers: slower, passive: false },
    { nowMs: START + 20, random: 0 },
  );
  t.like(asked.packets, [{ poll: true, desiredMinTxUs: 200_000, requiredMinRxUs: 20_000 }]);
  t.is(transmitIntervalUs(asked.session), 50_000);
  // The peer sends each 50 ms as long as it does not know better.
  t.is(asked.session.receiveUs, 50_000);
  const final = packetTo(asked.session, { state: 'Up', final: true, desiredMinTxUs: 20_000 });
  t.is(transmitIntervalUs(final.session), 200_000);
  t.is(detectionTimeMs(final.session), 60);

  const faster = { transmitUs: 20_000, receiveUs: 300_000, detectMultiplier: 3 };
  const now = step(
    sessionIn('Up'),
    { kind: 'configure', timers: faster, passive: false },
    { nowMs: START + 20, random: 0 },
  );
  t.is(now.session.transmitUs, 20_000);
  t.is(now.session.receiveUs, 300_000);
  t.is(now.session.detectAtMs, START + 10 + 900);
});

test('a change during a Poll Sequence is asked about anew after its Final', (t) => {
  const change = (session: SessionState, transmitUs: number) =>
    step(
      session,
      { kind: 'configure', timers: { ...FAST, transmitUs }, passive: false },
      { nowMs: START + 20, random: 0 },
    ).session;
  const twice = change(change(sessionIn('Up'), 100_000), 400_000);
  const once = packetTo(twice, { state: 'Up', final: true, desiredMinTxUs: 50_000 }).session;
  t.is(once.poll, 'active');
  t.is(once.transmitUs, 50_000);
  const done = packetTo(once, { state: 'Up', final: true, desiredMinTxUs: 50_000 }).session;
  t.is(done.poll, 'none');
  t.is(done.transmitUs, 400_000);
});

test('the same timers again are no news', (t) => {
  const before = sessionIn('Up');
  const event = { kind: 'configure', timers: { ...FAST }, passive: false } as const;
  const { session, packets } = step(before, event, { nowMs: START + 20, random: 0 });
  t.deepEqual(packets, []);
  t.deepEqual(session, before);
});

test('packets go out at 75 to 100 % of the interval, and at most 90 % when one may not be lost', (t) => {
  const next = (detectMultiplier: number, random: number) => {
    const session = sessionIn('Up', { ...FAST, detectMultiplier });
    const nowMs = session.transmitAtMs;
    const done = step(session, { kind: 'time' }, { nowMs, random });
    return done.session.transmitAtMs - nowMs;
  };
  const near = (actual: number, expected: number) => t.true(Math.abs(actual - expected) < 0.001);
  near(next(3, 0), 50);
  near(next(3, 1), 37.5);
  near(next(1, 0), 45);
  near(next(1, 1), 37.5);
});

test('a peer that asks for less gets less, and one that asks for more gets it at once', (t) => {
  const slowed = packetTo(sessionIn('Up'), { state: 'Up', requiredMinRxUs: 400_000 }).session;
  t.is(transmitIntervalUs(slowed), 400_000);
  const next = step(slowed, { kind: 'time' }, { nowMs: slowed.transmitAtMs, random: 0 }).session;
  const hurried = packetTo(next, { state: 'Up', requiredMinRxUs: 10_000 }, START + 70).session;
  t.is(hurried.transmitAtMs, START + 70 + 50);
});

test('a peer that wants no packets gets none, until it does (§6.8.7)', (t) => {
  const silenced = packetTo(sessionIn('Up'), { state: 'Up', requiredMinRxUs: 0 }).session;
  t.is(silenced.transmitAtMs, NEVER);
  const again = packetTo(silenced, { state: 'Up', requiredMinRxUs: 50_000 }).session;
  t.is(again.transmitAtMs, START + 60);
});

test('a peer in demand mode hears from us only while it is polled (§6.6)', (t) => {
  const demand = packetTo(sessionIn('Up'), { state: 'Up', demand: true }).session;
  t.is(demand.transmitAtMs, NEVER);
  t.is(demand.state, 'Up');
  const polling = step(
    demand,
    { kind: 'configure', timers: { ...FAST, transmitUs: 60_000 }, passive: false },
    { nowMs: START + 30, random: 0 },
  );
  t.like(polling.packets, [{ poll: true }]);
  t.is(polling.session.transmitAtMs, START + 80);
  const done = packetTo(polling.session, { state: 'Up', demand: true, final: true }).session;
  t.is(done.transmitAtMs, NEVER);
  // Its silence ends the session none the less.
  const { session } = step(done, { kind: 'time' }, { nowMs: done.detectAtMs, random: 0 });
  t.is(session.state, 'Down');
  t.not(session.transmitAtMs, NEVER);
});

test('a passive session says nothing before the peer does, nor after it was lost (§6.1)', (t) => {
  const waiting = fresh(FAST, true);
  t.is(nextDeadlineMs(waiting), NEVER);
  const heard = packetTo(waiting, { state: 'Down', yourDiscriminator: 0 });
  t.like(heard.packets, [{ state: 'Init', yourDiscriminator: 9 }]);
  const { session, packets } = step(
    heard.session,
    { kind: 'time' },
    { nowMs: heard.session.detectAtMs, random: 0 },
  );
  t.is(session.state, 'Down');
  t.deepEqual(packets, []);
  t.is(nextDeadlineMs(session), NEVER);
});

test('every packet says who it is from, and that it depends on the control plane', (t) => {
  const { packets } = packetTo(sessionIn('Init'), { state: 'Init', myDiscriminator: 77 });
  t.like(packets[0], {
    myDiscriminator: 7,
    yourDiscriminator: 77,
    controlPlaneIndependent: false,
    demand: false,
    requiredMinEchoRxUs: 0,
    detectMultiplier: 3,
  });
});

function randomOf(seed: number): () => number {
  const mutator = createMutator(seed * 2654435761);
  for (let i = 0; i < 8; i++) mutator.random(2);
  return () => mutator.random(1_000_000) / 1_000_000;
}

/** 10 to 300 ms and 3 to 5 packets, so that no delay of the path alone ends a session. */
function randomTimers(random: () => number): SessionTimers {
  const interval = () => 10_000 + Math.floor(random() * 30) * 10_000;
  return {
    transmitUs: interval(),
    receiveUs: interval(),
    detectMultiplier: 3 + Math.floor(random() * 3),
  };
}

const LONGEST_DETECTION_MS = 5 * 310 + 20;
/** Slow timers, three steps to Up, and one packet more. */
const RECOVERY_MS = 5000;

test('a pair stays Up while timers change at random and packets change places (1,000 schedules)', (t) => {
  for (let seed = 1; seed <= 1000; seed++) {
    const random = randomOf(seed);
    const pair = bfdPair(random, [randomTimers(random), randomTimers(random)]);
    for (const path of pair.paths) path.delayMs = random() * 4;
    pair.run(RECOVERY_MS);
    for (const { changes } of pair.ends) changes.length = 0;
    for (let i = 0; i < 4; i++) {
      const end = random() < 0.5 ? 0 : 1;
      pair.tell(end, { kind: 'configure', timers: randomTimers(random), passive: false });
      pair.run(random() * 400);
    }
    pair.run(2000);
    const [a, b] = pair.ends;
    if (a.changes.length + b.changes.length > 0 || a.session.state !== 'Up') {
      return t.fail(`seed ${seed}: ${JSON.stringify([a.changes, b.changes])}`);
    }
    if (a.session.poll !== 'none' || a.session.transmitUs !== a.session.timers.transmitUs) {
      return t.fail(`seed ${seed}: not negotiated to the end`);
    }
    if (b.session.remoteMinTxUs !== a.session.timers.transmitUs) {
      return t.fail(`seed ${seed}: the peer does not know the interval`);
    }
  }
  t.pass();
});

test('both ends notice a path cut in either direction, and come back (1,000 schedules)', (t) => {
  for (let seed = 1; seed <= 1000; seed++) {
    const random = randomOf(seed + 5000);
    const pair = bfdPair(random, [randomTimers(random), randomTimers(random)]);
    for (const path of pair.paths) path.delayMs = random() * 4;
    pair.run(RECOVERY_MS + random() * 300);
    const [a, b] = pair.ends;
    if (a.session.state !== 'Up' || b.session.state !== 'Up') return t.fail(`seed ${seed}: not Up`);
    const which = Math.floor(random() * 3);
    const detectionMs = detectionTimeMs(which === 0 ? b.session : a.session);
    if (which !== 1) pair.paths[0].cut = true;
    if (which !== 0) pair.paths[1].cut = true;
    const cutMs = pair.nowMs();
    pair.run(LONGEST_DETECTION_MS);
    for (const { changes } of [a, b]) {
      const down = changes.find(({ atMs, state }) => atMs >= cutMs && state === 'Down');
      if (!down) return t.fail(`seed ${seed}: an end stays Up`);
      // Cut one way, the deaf end tells the other at once.
      if (which < 2 && down.atMs - cutMs > detectionMs + 10) {
        return t.fail(`seed ${seed}: noticed after ${down.atMs - cutMs} of ${detectionMs} ms`);
      }
    }
    for (const path of pair.paths) path.cut = false;
    pair.run(RECOVERY_MS);
    if (a.session.state !== 'Up' || b.session.state !== 'Up') {
      return t.fail(`seed ${seed}: ${a.session.state} and ${b.session.state} after healing`);
    }
  }
  t.pass();
});

test('a pair settles after loss, cuts, restarts and changes in any order (1,500 schedules)', (t) => {
  for (let seed = 1; seed <= 1500; seed++) {
    const random = randomOf(seed + 90_000);
    const waits = random() < 0.2;
    const pair = bfdPair(random, [randomTimers(random), randomTimers(random)], [waits, false]);
    for (let i = 0; i < 12; i++) {
      disturb(pair, random);
      pair.run(random() * 1500);
    }
    for (const path of pair.paths) Object.assign(path, { cut: false, loss: 0, delayMs: 2 });
    // A side that forgot everything is waited for as long as the other believes in it.
    pair.run(LONGEST_DETECTION_MS + 3000 + RECOVERY_MS);
    for (const { session, sent } of pair.ends) {
      if (session.state !== 'Up' || session.poll !== 'none') {
        return t.fail(`seed ${seed}: ${session.state}, poll ${session.poll}`);
      }
      if (sent.some(({ packet }) => packet.poll && packet.final)) {
        return t.fail(`seed ${seed}: Poll and Final in one packet`);
      }
      if (sent.some(({ packet }) => packet.state !== 'Up' && packet.desiredMinTxUs < 1_000_000)) {
        return t.fail(`seed ${seed}: fast while not Up`);
      }
    }
  }
  t.pass();
});

function disturb(pair: ReturnType<typeof bfdPair>, random: () => number): void {
  const end = random() < 0.5 ? 0 : 1;
  const path = pair.paths[end];
  switch (Math.floor(random() * 6)) {
    case 0:
      path.cut = true;
      break;
    case 1:
      path.cut = false;
      break;
    case 2:
      path.loss = random() * 0.6;
      break;
    case 3:
      path.delayMs = random() * 200;
      break;
    case 4:
      pair.restart(end, randomTimers(random));
      break;
    default:
      pair.tell(end, {
        kind: 'configure',
        timers: randomTimers(random),
        passive: pair.ends[end].session.passive,
      });
  }
}

test('a pair never sends faster than the receiver allows, but for news and answers', (t) => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomOf(seed + 7000);
    const pair = bfdPair(random, [randomTimers(random), randomTimers(random)]);
    pair.run(RECOVERY_MS);
    const [a, b] = pair.ends;
    a.sent.length = 0;
    pair.run(3000);
    const allowedMs = (0.75 * Math.max(a.session.transmitUs, b.session.receiveUs)) / 1000;
    const times = a.sent.map(({ atMs }) => atMs);
    const gaps = times.slice(1).map((atMs, i) => atMs - (times[i] as number));
    if (gaps.some((gap) => gap < allowedMs - 0.001)) return t.fail(`seed ${seed}`);
    if (a.sent.length < 3000 / (allowedMs / 0.75) - 1) return t.fail(`seed ${seed}: too few`);
  }
  t.pass();
});
