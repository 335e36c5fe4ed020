import test from 'ava';
import fc from 'fast-check';
import type { OpenMessage, RouteRefreshMessage } from '../../../../src/protocol/bgp/message.ts';
import { describeNotification } from '../../../../src/protocol/bgp/notification/notification.ts';
import { notification } from '../../../../src/protocol/bgp/notification-codes.ts';
import type { SessionEffect } from '../../../../src/protocol/bgp/session/session-effect.ts';
import type {
  ConnectionId,
  SessionEvent,
  TimerName,
} from '../../../../src/protocol/bgp/session/session-event.ts';
import { newSession } from '../../../../src/protocol/bgp/session/session-state.ts';
import { step } from '../../../../src/protocol/bgp/session/step.ts';
import { anyEvent } from './any-event.ts';
import { lackOf, problemOf } from './invariants.ts';
import {
  after,
  CONFIG,
  connected,
  established,
  fault,
  GRACEFUL,
  KEEPALIVE,
  MESSAGES,
  opened,
  openOf,
  PEER,
  play,
  type Scenario,
  SHUTDOWN,
  says,
  started,
  told,
} from './scenario.ts';
import { AFTER } from './step-table.ts';

/** How each state is come to. The peer has the higher router ID: its connections win. */
const STATES: Readonly<Record<string, () => Scenario>> = {
  'never started': () => play(),
  'Idle after an error': () => after(opened(), fault('out:1')),
  Connect: started,
  Active: () => after(started(), { kind: 'connectFailed', connection: 'out:1', reason: 'refused' }),
  OpenSent: opened,
  'OpenSent on both': () => after(opened(), connected('in:1')),
  OpenConfirm: () => after(opened(), says('out:1', 'OPEN')),
  'OpenConfirm and OpenSent': () => after(opened(), says('out:1', 'OPEN'), connected('in:1')),
  Established: established,
  'Established and OpenSent': () => after(established(), connected('in:1')),
};

const EVENTS: Readonly<Record<string, (scenario: Scenario) => readonly SessionEffect[]>> = {
  start: (s) => s.dispatch({ kind: 'start' }),
  stop: (s) => s.dispatch({ kind: 'stop', notification: SHUTDOWN }),
  'stop without a word': (s) => s.dispatch({ kind: 'stop', notification: undefined }),
  reset: (s) => s.dispatch({ kind: 'reset', notification: SHUTDOWN }),
  'out:1 connected': (s) => s.connected('out:1'),
  'in:2 connected': (s) => s.connected('in:2'),
  'out:1 failed': (s) =>
    s.dispatch({ kind: 'connectFailed', connection: 'out:1', reason: 'refused' }),
  ...onConnection('out:1'),
  ...onConnection('in:1'),
  'BFD up': (s) => s.dispatch({ kind: 'bfdUp' }),
  'link up': (s) => s.dispatch({ kind: 'linkUp' }),
  'BFD down': (s) => s.dispatch({ kind: 'bfdDown', reason: 'no packets' }),
  'octets wait': (s) => s.dispatch({ kind: 'sendProgress', connection: 'out:1', waiting: true }),
  'no octets wait': (s) =>
    s.dispatch({ kind: 'sendProgress', connection: 'out:1', waiting: false }),
  ...expiring('connectRetry', 'idleHold', 'hold/out:1', 'keepalive/out:1', 'sendHold/out:1'),
  ...expiring('hold/in:1', 'keepalive/in:1', 'sendHold/in:1'),
};

function onConnection(id: ConnectionId): typeof EVENTS {
  return {
    [`${id} closed`]: (s) => s.dispatch({ kind: 'closed', connection: id, reason: '' }),
    [`fault on ${id}`]: (s) => s.dispatch(fault(id)),
    ...Object.fromEntries(
      Object.keys(MESSAGES).map((name) => [
        `${name} on ${id}`,
        (s: Scenario) => s.dispatch(says(id, name)),
      ]),
    ),
  };
}

function expiring(...timers: readonly TimerName[]): typeof EVENTS {
  return Object.fromEntries(
    timers.map((timer) => [`${timer} runs out`, (s: Scenario) => s.expire(timer)]),
  );
}

for (const [name, make] of Object.entries(STATES)) {
  test(`step() answers each event in the state: ${name}`, (t) => {
    const answers = Object.entries(EVENTS).map(([event, happen]) => [event, told(happen(make()))]);
    t.deepEqual(Object.fromEntries(answers.filter(([, effects]) => effects !== '')), {
      ...AFTER[name],
    });
  });
}

test('step() never dials a peer that is to come, and takes it when it does', (t) => {
  const scenario = play({ ...CONFIG, passive: true });
  t.is(told(scenario.dispatch({ kind: 'start' })), '→ Active');
  t.is(told(scenario.wait(3_600_000)), '');
  t.is(told(scenario.establish('in:1')).split(', ').at(-2), 'established on in:1');
  scenario.dispatch({ kind: 'closed', connection: 'in:1', reason: '' });
  t.is(scenario.state().state, 'Idle');
  t.is(told(scenario.wait(3_600_000)), '→ Active');
});

test('step() keeps in words why a session ended, by each side', (t) => {
  const scenario = opened();
  scenario.message('out:1', openOf({ localAsn: 64999 }));
  t.regex(scenario.state().lastError.sent?.text ?? '', /of AS 64999, and AS 64513 is configured/);
  t.deepEqual(scenario.state().peer, { asn: 64999, routerId: PEER.routerId });
  scenario.expire('idleHold');
  scenario.dispatch({ kind: 'connectFailed', connection: 'out:2', reason: 'No route' });
  t.is(scenario.state().lastError.transport?.text, 'No route');
  scenario.expire('connectRetry');
  scenario.connected('out:3');
  scenario.dispatch(says('out:3', 'NOTIFICATION'));
  t.is(scenario.state().lastError.received?.text, describeNotification({ ...SHUTDOWN }));
});

test('step() keeps no word about connections that the peer has chosen against', (t) => {
  for (const event of [
    says('out:1', 'REJECTED'),
    { kind: 'closed', connection: 'out:1', reason: '' } as const,
  ]) {
    const alone = opened();
    alone.dispatch(event);
    t.is(alone.state().state, 'Active');
    t.truthy(alone.state().lastError.received ?? alone.state().lastError.transport);
    const beside = after(opened(), connected('in:1'), event);
    t.is(beside.state().state, 'OpenSent');
    t.deepEqual(beside.state().lastError, play().state().lastError);
  }
});

test('step() resets the session of a peer whose OPEN is not acceptable, and says why', (t) => {
  const refusals: readonly (readonly [string, Partial<OpenMessage>])[] = [
    ['2/1', { version: 5 }],
    ['2/2', { asn: 64999 }],
    ['2/3', { routerId: 0 }],
    ['2/6', { holdTimeSec: 2 }],
    ['2/7', { capabilities: [{ kind: 'multiprotocol', afi: 25, safi: 65 }] }],
  ];
  for (const [code, over] of refusals) {
    const effects = told(opened().message('out:1', openOf({}, over)));
    t.is(effects, `close out:1 with ${code}, idleHold in 1 s, → Idle`);
  }
});

test('step() names the unexpected message in its error', (t) => {
  const [close] = opened()
    .dispatch(says('out:1', 'UPDATE'))
    .filter((effect) => effect.kind === 'close');
  t.deepEqual(close?.notification, notification(5, 1, Uint8Array.of(2)));
});

test('step() wants no refresh of what was not agreed on', (t) => {
  const scenario = started();
  scenario.establish('out:1', { families: [4] });
  const refresh = (afi: number, subtype: RouteRefreshMessage['subtype'], safi = 1) =>
    told(scenario.message('out:1', { kind: 'routeRefresh', afi, safi, subtype }));
  t.is(refresh(1, 'request'), 'hold/out:1 in 90 s, refresh IPv4');
  t.is(refresh(2, 'request'), 'hold/out:1 in 90 s');
  t.is(refresh(1, 'request', 128), 'hold/out:1 in 90 s');
  t.is(refresh(1, 'begin'), 'hold/out:1 in 90 s, begin of IPv4');
  t.is(refresh(1, 'end'), 'hold/out:1 in 90 s, end of IPv4');
  t.is(refresh(1, 'unassigned'), 'hold/out:1 in 90 s');
});

test('step() hears BFD only when it had seen the path up', (t) => {
  const scenario = started();
  scenario.establish('out:1');
  const down = () => told(scenario.dispatch({ kind: 'bfdDown', reason: 'no packets' }));
  t.is(down(), '');
  scenario.dispatch({ kind: 'bfdUp' });
  t.regex(down(), /close out:1 with 6\/10, lost out:1/);
  t.is(scenario.state().lastError.sent?.text, 'BFD: no packets');
  scenario.expire('idleHold');
  scenario.establish('out:2');
  t.is(down(), '');
});

test('step() tells whether the peer keeps the routes of a lost session', (t) => {
  const lost = (event: SessionEvent, own = true, notifies = true, restartTimeSec = 120) => {
    const scenario = play({ ...CONFIG, gracefulRestart: own ? GRACEFUL : undefined });
    scenario.dispatch({ kind: 'start' });
    scenario.connected('out:1');
    const open = openOf({ gracefulRestart: { ...GRACEFUL, restartTimeSec } });
    const capabilities = open.capabilities.map((one) =>
      one.kind === 'gracefulRestart' ? { ...one, notification: notifies } : one,
    );
    scenario.message('out:1', { ...open, capabilities });
    scenario.message('out:1', KEEPALIVE);
    const effect = scenario.dispatch(event).find(({ kind }) => kind === 'lost');
    return effect?.kind === 'lost' && effect.routesKept;
  };
  const broke: SessionEvent = { kind: 'closed', connection: 'out:1', reason: 'reset' };
  const silently: SessionEvent = { kind: 'stop', notification: undefined };
  const shutdown: SessionEvent = { kind: 'stop', notification: SHUTDOWN };
  const reset: SessionEvent = { kind: 'reset', notification: notification(6, 4) };
  t.true(lost(broke));
  t.true(lost(broke, true, false));
  t.false(lost(broke, false));
  t.false(lost(broke, true, true, 0));
  t.true(lost(silently));
  t.true(lost(reset));
  t.false(lost(reset, true, false));
  t.false(lost(shutdown));
  t.true(lost(fault('out:1')));
});

test('step() says a shutdown as a Hard Reset to those who would keep the routes otherwise', (t) => {
  const graceful = { ...CONFIG, gracefulRestart: GRACEFUL };
  for (const [config, said] of [
    [CONFIG, SHUTDOWN],
    [graceful, notification(6, 9, Uint8Array.of(6, 2, ...SHUTDOWN.data))],
  ] as const) {
    const scenario = after(play(config), { kind: 'start' });
    scenario.establish('out:1', { gracefulRestart: GRACEFUL });
    const effects = scenario.dispatch({ kind: 'stop', notification: SHUTDOWN });
    t.deepEqual(
      effects.find(({ kind }) => kind === 'close'),
      {
        kind: 'close',
        connection: 'out:1',
        notification: said,
      },
    );
  }
});

test('step() connects as soon as BFD finds that the path is back', (t) => {
  const scenario = started();
  for (let out = 1; out < 12; out++) {
    const connection = `out:${out}` as const;
    scenario.dispatch({ kind: 'connectFailed', connection, reason: 'no answer' });
    if (out < 11) scenario.expire('connectRetry');
  }
  t.is(scenario.state().timers.connectRetry, scenario.nowMs() + CONFIG.connectRetryMs);
  t.regex(told(scenario.dispatch({ kind: 'bfdUp' })), /^connect out:12/);
  const failed = { kind: 'connectFailed', connection: 'out:12', reason: 'not yet' } as const;
  t.is(told(scenario.dispatch(failed)), 'close out:12, connectRetry in 2 s, → Active');
});

test('step() lets nobody keep routes into a path that BFD calls dead', (t) => {
  const scenario = after(play({ ...CONFIG, gracefulRestart: GRACEFUL }), { kind: 'start' });
  scenario.establish('out:1', { gracefulRestart: GRACEFUL });
  scenario.dispatch({ kind: 'bfdUp' });
  const effects = scenario.dispatch({ kind: 'bfdDown', reason: 'no packets' });
  const reset = notification(6, 9, Uint8Array.of(6, 10));
  const ends = effects.filter(({ kind }) => kind === 'close' || kind === 'lost');
  t.deepEqual(ends, [
    { kind: 'close', connection: 'out:1', notification: reset },
    { kind: 'lost', connection: 'out:1', reason: 'BFD: no packets', routesKept: false },
  ]);
});

test('step() never throws, and leaves nothing behind, whatever happens in whatever order', (t) => {
  const moment = fc.record({
    event: anyEvent,
    passedMs: fc.constantFrom(0, 0, 10, 1000, 30_000, 90_000, 300_000),
    random: fc.constantFrom(0, 0.5, 0.999),
    config: fc.constantFrom(
      CONFIG,
      { ...CONFIG, passive: true },
      { ...CONFIG, gracefulRestart: GRACEFUL, routerId: 7, peerAsn: 'external' as const },
    ),
  });
  fc.assert(
    fc.property(fc.array(moment, { minLength: 1, maxLength: 60 }), (moments) => {
      let state = newSession(0);
      let nowMs = 0;
      for (const { event, passedMs, random, config } of moments) {
        nowMs += passedMs;
        const context = { config, monotonicMs: nowMs, wallMs: nowMs, random };
        const next = step(state, event, context);
        const problem = problemOf(state, event, next) ?? lackOf(next.state, config);
        if (problem !== undefined) throw new Error(`${problem} after ${event.kind}`);
        state = next.state;
      }
    }),
    { numRuns: 2000 },
  );
  t.pass();
});
