import type { NotificationContent } from '../message.ts';
import { CEASE, NOTIFICATION, notification } from '../notification-codes.ts';
import { keepsRoutes } from './hard-reset.ts';
import { type Connection, isAgreed, isAttempt } from './session-state.ts';
import { idleHoldMs, STABLE_MS } from './timing.ts';
import { armJittered, forget, patch, remember, type Turn } from './turn.ts';

/** How a connection ends. */
export interface Ending {
  /** Who ended it: this side, the peer, or the transport. */
  readonly by: 'sent' | 'received' | 'transport';
  /** What was said, or is to be; `undefined`: nothing. */
  readonly notification: NotificationContent | undefined;
  /** For people, in words. */
  readonly why: string;
}

const COLLISION = notification(NOTIFICATION.cease, CEASE.collisionResolution);

/** Of two connections the other one stays (RFC 4271 §6.8). */
export const OUTRIVALLED: Ending = {
  by: 'sent',
  notification: COLLISION,
  why: 'Of two connections with this peer, the other one was kept',
};

/** Ends a connection as it should be: nothing to learn from, nothing to wait out. */
export function close(turn: Turn, connection: Connection, ending: Ending): void {
  forget(turn, connection.id);
  const said = ending.by === 'sent' && connection.phase !== 'connecting';
  const notification = said ? ending.notification : undefined;
  turn.effects.push({ kind: 'close', connection: connection.id, notification });
  if (connection.phase !== 'established') return;
  turn.effects.push({
    kind: 'lost',
    connection: connection.id,
    reason: ending.why,
    routesKept: keepsRoutes(connection.negotiated, ending.notification),
  });
}

/**
 * Ends a connection because of an error, and waits before the next attempt: longer with each error in a
 * row (RFC 4271 §8.1.1, DampPeerOscillations). Nothing is waited out beside a connection that is agreed on.
 */
export function fail(turn: Turn, connection: Connection, ending: Ending): void {
  close(turn, connection, ending);
  if (ending.by === 'transport' && isSuperfluous(turn, connection)) return;
  remember(turn, ending.by, ending.why);
  if (turn.state.connections.some(isAgreed)) return;
  const errorsInRow = wasStable(turn, connection) ? 1 : turn.state.errorsInRow + 1;
  patch(turn, { errorsInRow });
  armJittered(turn, 'idleHold', idleHoldMs(errorsInRow));
}

/** It has not become a session, and another one may: the peer has chosen between them. */
export function isSuperfluous({ state }: Turn, connection: Connection): boolean {
  if (connection.phase === 'established') return false;
  return state.connections.some((other) => !isAttempt(other) && other.id !== connection.id);
}

function wasStable(turn: Turn, connection: Connection): boolean {
  if (connection.phase !== 'established') return false;
  return turn.context.monotonicMs - connection.establishedMs >= STABLE_MS;
}
