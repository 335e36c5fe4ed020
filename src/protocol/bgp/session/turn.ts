import type { BgpSession, BgpState } from '../../../domain/bgp/bgp-session.ts';
import type { StepContext } from './session-config.ts';
import type { SessionEffect } from './session-effect.ts';
import type { ConnectionId, TimerName } from './session-event.ts';
import type { Connection, SessionState } from './session-state.ts';
import { jittered } from './timing.ts';

/** One step on its way: the state as it stands, and what is to be done so far. */
export interface Turn {
  state: SessionState;
  readonly effects: SessionEffect[];
  readonly context: StepContext;
}

export function patch(turn: Turn, change: Partial<SessionState>): void {
  turn.state = { ...turn.state, ...change };
}

export function connectionOf(turn: Turn, id: ConnectionId): Connection | undefined {
  return turn.state.connections.find((connection) => connection.id === id);
}

/** Puts a connection in the place of the one with its id, or adds it. */
export function put(turn: Turn, connection: Connection): void {
  const others = turn.state.connections.filter(({ id }) => id !== connection.id);
  patch(turn, { connections: [...others, connection] });
}

/** Forgets a connection and its timers; later events of it say nothing. */
export function forget(turn: Turn, id: ConnectionId): void {
  patch(turn, { connections: turn.state.connections.filter((other) => other.id !== id) });
  for (const timer of ['hold', 'keepalive', 'sendHold'] as const) disarm(turn, `${timer}/${id}`);
}

export function arm(turn: Turn, timer: TimerName, afterMs: number): void {
  const deadline = turn.context.monotonicMs + afterMs;
  patch(turn, { timers: { ...turn.state.timers, [timer]: deadline } });
  turn.effects.push({ kind: 'setTimer', timer, afterMs });
}

/** Sets a timer somewhat earlier, so that many of them do not go off together (RFC 4271 §10). */
export function armJittered(turn: Turn, timer: TimerName, ms: number): void {
  arm(turn, timer, jittered(ms, turn.context.random));
}

export function isArmed(turn: Turn, timer: TimerName): boolean {
  return turn.state.timers[timer] !== undefined;
}

export function disarm(turn: Turn, timer: TimerName): void {
  if (!isArmed(turn, timer)) return;
  ranOut(turn, timer);
  turn.effects.push({ kind: 'clearTimer', timer });
}

/** A timer that has gone off is not set any more. */
export function ranOut(turn: Turn, timer: TimerName): void {
  const { [timer]: _, ...timers } = turn.state.timers;
  patch(turn, { timers });
}

/** Keeps in words why the session ended, or did not begin. */
export function remember(turn: Turn, side: keyof BgpSession['lastError'], text: string): void {
  const said = { text, atMs: turn.context.wallMs };
  patch(turn, { lastError: { ...turn.state.lastError, [side]: said } });
}

export function changeState(turn: Turn, to: BgpState): void {
  const from = turn.state.state;
  if (from === to) return;
  patch(turn, { state: to, sinceMs: turn.context.wallMs });
  turn.effects.push({ kind: 'stateChanged', from, to });
}
