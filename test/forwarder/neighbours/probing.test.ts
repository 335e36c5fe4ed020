import test from 'ava';
import type { Mac } from '../../../src/domain/mac.ts';
import {
  type Probing,
  type ProbingEffect,
  type ProbingEvent,
  startProbing,
  stepProbing,
} from '../../../src/forwarder/neighbours/probing.ts';
import type { Neighbour } from '../../../src/protocol/rtnetlink/neighbour.ts';
import { neighbour } from '../../support/fake-rtnetlink.ts';

const PROBE_MS = 400;
const OLD = 0x11 as Mac;
const NEW = 0x22 as Mac;

/** One neighbour under a clock that stands still; each act returns what is to be done. */
function bench(mac: number | undefined = OLD, kernelState: Neighbour['state'] = 'fresh') {
  let nowMs = 1000;
  const entry = (at: number | undefined, state: Neighbour['state'] = 'fresh') =>
    neighbour(2, '10.0.0.11', at, state);
  let state: Probing = startProbing(entry(mac, kernelState), { nowMs, probeMs: PROBE_MS });
  const act = (event: ProbingEvent): readonly string[] => {
    const step = stepProbing(state, event, { nowMs, probeMs: PROBE_MS });
    state = step.state;
    return step.effects.map(describe);
  };
  return {
    state: () => state,
    answer: (from: Mac) => act({ kind: 'answer', mac: from }),
    kernel: (at: number | undefined, kind?: Neighbour['state']) =>
      act({ kind: 'kernel', entry: entry(at, kind) }),
    forget: () => act({ kind: 'kernel', entry: undefined }),
    unable: () => act({ kind: 'unable' }),
    /** Waits until it is due, and says how long that took. */
    due(): readonly string[] {
      nowMs = Math.max(nowMs, state.dueMs);
      return act({ kind: 'due' });
    },
    now: () => nowMs,
  };
}

function describe({ kind, mac }: ProbingEffect): string {
  if (kind === 'ask') return mac === undefined ? 'ask everybody' : `ask ${mac}`;
  return mac === undefined ? 'kernel: failed' : `kernel: ${mac}`;
}

/** One that answers, asked the next time and silent since. */
function silent() {
  const each = bench();
  each.due();
  each.answer(OLD);
  each.due();
  return each;
}

test('one that answers is asked alone, at the interval, and nothing else happens', (t) => {
  const { due, answer, now, state } = bench();
  t.deepEqual(due(), [`ask ${OLD}`]);
  t.deepEqual(answer(OLD), []);
  const answeredMs = now();
  t.deepEqual(due(), [`ask ${OLD}`]);
  t.is(now() - answeredMs, PROBE_MS);
  t.is(state().mac, OLD);
});

test('without an answer everybody is asked, and another that answers takes the place', (t) => {
  const { due, answer, now, state } = silent();
  const askedMs = now();
  t.deepEqual(due(), ['ask everybody']);
  t.deepEqual(answer(NEW), []);
  t.is(state().mac, OLD);
  t.deepEqual(due(), [`kernel: ${NEW}`]);
  t.is(state().mac, NEW);
  t.true(now() - askedMs <= PROBE_MS / 2);
});

test('the one trusted keeps its place when it answers after another', (t) => {
  const { due, answer, state } = silent();
  due();
  answer(NEW);
  t.deepEqual(answer(OLD), []);
  t.deepEqual(due(), [`ask ${OLD}`]);
  t.is(state().mac, OLD);
});

test('an answer that nobody asked for, or not of this one, is not heard', (t) => {
  const { due, answer, state } = bench();
  t.deepEqual(answer(NEW), []);
  due();
  answer(NEW);
  t.is(state().candidate, undefined);
  answer(OLD);
  answer(NEW);
  t.is(state().candidate, undefined);
  t.is(state().mac, OLD);
});

test('one that answers nobody any more is gone within 2.2 intervals, and the kernel is told', (t) => {
  const { due, now, state } = silent();
  const lastAnswerMs = now() - PROBE_MS;
  t.deepEqual([due(), due(), due()], [['ask everybody'], ['ask everybody'], ['kernel: failed']]);
  t.like(state(), { mac: undefined, former: OLD, gone: true });
  t.true(now() - lastAnswerMs <= 2.2 * PROBE_MS);
});

test('one that is gone is asked for again and again, and used at its first answer', (t) => {
  const { due, answer, kernel, state } = silent();
  for (let i = 0; i < 3; i++) due();
  kernel(undefined, 'failed');
  for (let i = 0; i < 20; i++) t.deepEqual(due(), ['ask everybody']);
  t.deepEqual(answer(OLD), [`kernel: ${OLD}`]);
  t.like(state(), { mac: OLD, gone: false });
});

test('another may come back in its place', (t) => {
  const { due, answer, state } = silent();
  for (let i = 0; i < 4; i++) due();
  answer(NEW);
  t.deepEqual(due(), [`kernel: ${NEW}`]);
  t.like(state(), { mac: NEW, gone: false });
});

test('what the kernel learned is held against the one trusted: it answers, and the kernel is put right', (t) => {
  const { due, answer, kernel, state, now } = bench();
  due();
  answer(OLD);
  kernel(NEW);
  t.is(state().mac, OLD);
  const heardMs = now();
  t.deepEqual(due(), [`ask ${OLD}`]);
  t.is(now(), heardMs);
  t.deepEqual(answer(OLD), [`kernel: ${OLD}`]);
  t.is(state().mac, OLD);
});

test('what the kernel learned is taken when only that answers', (t) => {
  const { due, answer, kernel, state, now } = bench();
  due();
  answer(OLD);
  kernel(NEW);
  const heardMs = now();
  due();
  due();
  answer(NEW);
  due();
  t.is(state().mac, NEW);
  t.true(now() - heardMs <= 150);
});

test('what the kernel learned is taken when nobody answers us', (t) => {
  const { due, answer, kernel, state } = bench();
  due();
  answer(OLD);
  kernel(NEW);
  for (let i = 0; i < 4; i++) due();
  t.like(state(), { mac: NEW, gone: false, answers: false });
});

test('one that never answered us is the kernel alone to judge', (t) => {
  const { due, kernel, state } = bench();
  for (let i = 0; i < 12; i++) due();
  t.like(state(), { mac: OLD, gone: false });
  kernel(NEW);
  t.is(state().mac, NEW);
  kernel(undefined, 'failed');
  t.like(state(), { mac: undefined, gone: true });
});

test('one that the kernel does not know is not asked for until it does', (t) => {
  const { due, kernel, state } = bench(undefined, 'resolving');
  t.deepEqual(due(), []);
  t.is(state().dueMs, Number.POSITIVE_INFINITY);
  kernel(OLD);
  t.is(state().mac, OLD);
  t.deepEqual(due(), [`ask ${OLD}`]);
});

test('an entry that the kernel forgets or looks for keeps its MAC address', (t) => {
  const { due, answer, forget, kernel, state } = bench();
  due();
  answer(OLD);
  forget();
  t.is(state().mac, OLD);
  kernel(undefined, 'resolving');
  t.is(state().mac, OLD);
  due();
  t.deepEqual(answer(OLD), [`kernel: ${OLD}`]);
});

test("the administrator's entry is used, not asked about, and never overwritten", (t) => {
  const { due, answer, kernel, state } = bench();
  due();
  answer(OLD);
  kernel(NEW, 'fixed');
  t.is(state().mac, NEW);
  t.deepEqual(due(), []);
  t.deepEqual(answer(OLD), []);
  t.is(state().mac, NEW);
  kernel(undefined, 'resolving');
  t.is(state().mac, undefined);
});

test('where nobody can be asked the kernel is believed', (t) => {
  const { due, answer, unable, kernel, state } = bench();
  due();
  answer(OLD);
  kernel(NEW);
  due();
  unable();
  t.is(state().mac, NEW);
});
