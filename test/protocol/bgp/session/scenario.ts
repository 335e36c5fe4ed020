import { ipv4 } from '../../../../src/domain/address.ts';
import type { BgpMessage, OpenMessage } from '../../../../src/protocol/bgp/message.ts';
import { notification } from '../../../../src/protocol/bgp/notification-codes.ts';
import { ownOpen } from '../../../../src/protocol/bgp/session/own-open.ts';
import type { SessionConfig } from '../../../../src/protocol/bgp/session/session-config.ts';
import type { SessionEffect } from '../../../../src/protocol/bgp/session/session-effect.ts';
import type {
  ConnectionId,
  SessionEvent,
  TimerName,
} from '../../../../src/protocol/bgp/session/session-event.ts';
import {
  newSession,
  type SessionState,
} from '../../../../src/protocol/bgp/session/session-state.ts';
import { step } from '../../../../src/protocol/bgp/session/step.ts';

/** AS 64512 with a router ID below that of `PEER`, which is of AS 64513. */
export const CONFIG: SessionConfig = {
  localAsn: 64512,
  peerAsn: 64513,
  routerId: 0x0a000001,
  holdTimeMs: 90_000,
  keepaliveMs: 30_000,
  connectRetryMs: 120_000,
  passive: false,
  families: [4, 6],
  extendedNextHop: false,
  gracefulRestart: undefined,
};

/** The other side of `CONFIG`. */
export const PEER: SessionConfig = {
  ...CONFIG,
  localAsn: 64513,
  peerAsn: 64512,
  routerId: 0x0a000002,
};

export const GRACEFUL = { restartTimeSec: 120, restarting: false, forwarding: true };

export const KEEPALIVE: BgpMessage = { kind: 'keepalive' };

/** wallMs - monotonicMs */
export const WALL_MS = 1_700_000_000_000;

export function openOf(peer: Partial<SessionConfig> = {}, over: Partial<OpenMessage> = {}) {
  return { ...ownOpen({ ...PEER, ...peer }), ...over };
}

/** One session with a clock of its own, and no chance in its timers: they take their whole time. */
export interface Scenario {
  state(): SessionState;
  nowMs(): number;
  /** What the event brings about. */
  dispatch(event: SessionEvent): readonly SessionEffect[];
  /** Lets time pass, and timers go off in it; what they bring about. */
  wait(ms: number): readonly SessionEffect[];
  /** Time passes, and nothing runs in it. */
  sleep(ms: number): void;
  /** This timer goes off when it is due, or now when it is not set. */
  expire(timer: TimerName): readonly SessionEffect[];
  connected(connection: ConnectionId): readonly SessionEffect[];
  message(connection: ConnectionId, message: BgpMessage): readonly SessionEffect[];
  /** From wherever, up to Established on this connection. */
  establish(connection: ConnectionId, peer?: Partial<SessionConfig>): readonly SessionEffect[];
}

export function play(config: SessionConfig = CONFIG): Scenario {
  let state = newSession(WALL_MS);
  let nowMs = 0;
  const timers = new Map<TimerName, number>();

  function dispatch(event: SessionEvent): readonly SessionEffect[] {
    const context = { config, monotonicMs: nowMs, wallMs: WALL_MS + nowMs, random: 1 };
    const next = step(state, event, context);
    state = next.state;
    for (const effect of next.effects) {
      if (effect.kind === 'setTimer') timers.set(effect.timer, nowMs + effect.afterMs);
      if (effect.kind === 'clearTimer') timers.delete(effect.timer);
    }
    return next.effects;
  }

  function wait(ms: number): readonly SessionEffect[] {
    const untilMs = nowMs + ms;
    const effects: SessionEffect[] = [];
    for (;;) {
      const [due] = [...timers].toSorted(([, a], [, b]) => a - b);
      if (due === undefined || due[1] > untilMs) break;
      timers.delete(due[0]);
      nowMs = Math.max(nowMs, due[1]);
      effects.push(...dispatch({ kind: 'timer', timer: due[0] }));
    }
    nowMs = Math.max(nowMs, untilMs);
    return effects;
  }

  const connected = (connection: ConnectionId) =>
    dispatch({ kind: 'connected', connection, local: ipv4(1), remote: ipv4(2) });
  const message = (connection: ConnectionId, value: BgpMessage) =>
    dispatch({ kind: 'message', connection, message: value });

  return {
    state: () => state,
    nowMs: () => nowMs,
    dispatch,
    wait,
    sleep(ms) {
      nowMs += ms;
    },
    expire(timer) {
      nowMs = state.timers[timer] ?? nowMs;
      timers.delete(timer);
      return dispatch({ kind: 'timer', timer });
    },
    connected,
    message,
    establish(connection, peer) {
      connected(connection);
      message(connection, openOf(peer));
      return message(connection, KEEPALIVE);
    },
  };
}

export const SHUTDOWN = notification(6, 2);
const UPDATE: BgpMessage = {
  kind: 'update',
  withdrawn: [],
  announced: [],
  attributes: undefined,
  endOfRib: 4,
  faults: [],
};
/** What a peer may say, by name. */
export const MESSAGES: Readonly<Record<string, BgpMessage>> = {
  OPEN: openOf(),
  KEEPALIVE,
  UPDATE,
  NOTIFICATION: { kind: 'notification', ...SHUTDOWN },
  REJECTED: { kind: 'notification', ...notification(6, 5) },
  REFRESH: { kind: 'routeRefresh', afi: 1, safi: 1, subtype: 'request' },
};

export function connected(connection: ConnectionId): SessionEvent {
  return { kind: 'connected', connection, local: ipv4(1), remote: ipv4(2) };
}

export function says(connection: ConnectionId, name: string): SessionEvent {
  return { kind: 'message', connection, message: MESSAGES[name] as BgpMessage };
}

export function fault(connection: ConnectionId): SessionEvent {
  return { kind: 'fault', connection, notification: notification(3, 1) };
}

export function after(scenario: Scenario, ...events: readonly SessionEvent[]): Scenario {
  for (const event of events) scenario.dispatch(event);
  return scenario;
}

export function started(): Scenario {
  return after(play(), { kind: 'start' });
}

export function opened(): Scenario {
  return after(started(), connected('out:1'));
}

export function established(): Scenario {
  const scenario = started();
  scenario.establish('out:1');
  return after(scenario, { kind: 'bfdUp' });
}

/** Effects as short text, in order, without the timers that are cleared. */
export function told(effects: readonly SessionEffect[]): string {
  return effects
    .filter(({ kind }) => kind !== 'clearTimer')
    .map(tell)
    .join(', ');
}

function tell(effect: SessionEffect): string {
  switch (effect.kind) {
    case 'connect':
      return `connect ${effect.connection}`;
    case 'send':
      return `${effect.message.kind} on ${effect.connection}`;
    case 'close': {
      const { notification } = effect;
      const said = notification ? ` with ${notification.code}/${notification.subcode}` : '';
      return `close ${effect.connection}${said}`;
    }
    case 'setTimer':
      return `${effect.timer} in ${effect.afterMs / 1000} s`;
    case 'established':
      return `established on ${effect.connection}`;
    case 'lost':
      return `lost ${effect.connection}${effect.routesKept ? ' keeping routes' : ''}`;
    case 'refreshRequested':
      return `refresh IPv${effect.family}`;
    case 'peerRefresh':
      return `${effect.phase} of IPv${effect.family}`;
    case 'stateChanged':
      return `→ ${effect.to}`;
    default:
      return effect.kind;
  }
}
