import test from 'ava';
import { ipv4 } from '../../../../src/domain/address.ts';
import type { BgpMessage } from '../../../../src/protocol/bgp/message.ts';
import { notification } from '../../../../src/protocol/bgp/notification-codes.ts';
import type { SessionEffect } from '../../../../src/protocol/bgp/session/session-effect.ts';
import type {
  ConnectionId,
  SessionEvent,
  TimerName,
} from '../../../../src/protocol/bgp/session/session-event.ts';
import { KEEPALIVE, openOf, play, type Scenario, told } from './scenario.ts';
import { AFTER } from './step-table.ts';

const SHUTDOWN = notification(6, 2);
const UPDATE: BgpMessage = {
  kind: 'update',
  withdrawn: [],
  announced: [],
  attributes: undefined,
  endOfRib: 4,
  faults: [],
};
const MESSAGES: Readonly<Record<string, BgpMessage>> = {
  OPEN: openOf(),
  KEEPALIVE,
  UPDATE,
  NOTIFICATION: { kind: 'notification', ...SHUTDOWN },
  REFRESH: { kind: 'routeRefresh', afi: 1, safi: 1, subtype: 'request' },
};

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

function connected(connection: ConnectionId): SessionEvent {
  return { kind: 'connected', connection, local: ipv4(1), remote: ipv4(2) };
}

function says(connection: ConnectionId, name: string): SessionEvent {
  return { kind: 'message', connection, message: MESSAGES[name] as BgpMessage };
}

function fault(connection: ConnectionId): SessionEvent {
  return { kind: 'fault', connection, notification: notification(3, 1) };
}

function after(scenario: Scenario, ...events: readonly SessionEvent[]): Scenario {
  for (const event of events) scenario.dispatch(event);
  return scenario;
}

function started(): Scenario {
  return after(play(), { kind: 'start' });
}

function opened(): Scenario {
  return after(started(), connected('out:1'));
}

function established(): Scenario {
  const scenario = started();
  scenario.establish('out:1');
  return after(scenario, { kind: 'bfdUp' });
}

for (const [name, make] of Object.entries(STATES)) {
  test(`step() answers each event in the state: ${name}`, (t) => {
    const answers = Object.entries(EVENTS).map(([event, happen]) => [event, told(happen(make()))]);
    t.deepEqual(Object.fromEntries(answers.filter(([, effects]) => effects !== '')), {
      ...AFTER[name],
    });
  });
}
