import { close, OUTRIVALLED } from './ending.ts';
import { ownOpen } from './own-open.ts';
import type { SessionEvent } from './session-event.ts';
import { isOutgoing } from './session-state.ts';
import { LARGE_HOLD_MS } from './timing.ts';
import { arm, connectionOf, put, type Turn } from './turn.ts';

type Connected = Extract<SessionEvent, { kind: 'connected' }>;

/** RFC 4271 §8.2.2, TcpConnectionConfirmed and Tcp_CR_Acked: says OPEN, or closes what is not wanted. */
export function onConnected(turn: Turn, event: Connected): void {
  const known = connectionOf(turn, event.connection);
  if (known !== undefined && known.phase !== 'connecting') return;
  if (known === undefined && !isWelcome(turn, event)) {
    turn.effects.push({ kind: 'close', connection: event.connection, notification: undefined });
    return;
  }
  if (known === undefined) makeWay(turn);
  const { connection: id, local, remote } = event;
  put(turn, { phase: 'openSent', id, local, remote });
  turn.effects.push({ kind: 'send', connection: id, message: ownOpen(turn.context.config) });
  arm(turn, `hold/${id}`, LARGE_HOLD_MS);
}

/**
 * A connection that the peer opened, to a session that tries. After a first error the peer may come
 * before the wait is over; after several, not (RFC 4271 §8.2.2: Idle refuses).
 */
function isWelcome({ state }: Turn, { connection }: Connected): boolean {
  const damped = state.timers.idleHold !== undefined && state.errorsInRow > 1;
  return state.running && !damped && connection.startsWith('in:');
}

/** A peer opens one connection at a time: of two, the older one is dead over there. */
function makeWay(turn: Turn): void {
  for (const connection of turn.state.connections) {
    if (isOutgoing(connection) || connection.phase === 'established') continue;
    close(turn, connection, OUTRIVALLED);
  }
}
