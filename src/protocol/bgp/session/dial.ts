import { type Connection, isAgreed, isAttempt, isOutgoing } from './session-state.ts';
import { ATTEMPT_MS, retryAfterMs } from './timing.ts';
import { arm, armJittered, disarm, forget, patch, put, remember, type Turn } from './turn.ts';

/** Opens a connection, unless the peer is to come or one of this side's own is there. */
export function dial(turn: Turn): void {
  const { nextOutgoing, attempts, connections } = turn.state;
  if (turn.context.config.passive || connections.some(isOutgoing)) return;
  const id = `out:${nextOutgoing}` as const;
  put(turn, { phase: 'connecting', id });
  patch(turn, { nextOutgoing: nextOutgoing + 1, attempts: attempts + 1 });
  turn.effects.push({ kind: 'connect', connection: id });
  arm(turn, 'connectRetry', ATTEMPT_MS);
}

/** Gives an attempt up that is on its way. */
function giveUpAttempt(turn: Turn): void {
  const attempt = turn.state.connections.find(isAttempt);
  if (attempt === undefined) return;
  forget(turn, attempt.id);
  turn.effects.push({ kind: 'close', connection: attempt.id, notification: undefined });
}

/** RFC 4271 §8.2.2, ConnectRetryTimer_Expires: nobody has answered, or the wait is over. */
export function retry(turn: Turn): void {
  if (turn.state.connections.some(isAttempt)) {
    remember(turn, 'transport', `Nobody answered within ${ATTEMPT_MS / 1000} s of connecting`);
    giveUpAttempt(turn);
  }
  dial(turn);
}

/**
 * The path has just come back, as BFD or the link says: an attempt that was begun before may have lost its packets, and
 * the next one may be minutes away.
 */
export function hurry(turn: Turn): void {
  if (turn.state.timers.connectRetry === undefined) return;
  giveUpAttempt(turn);
  patch(turn, { attempts: 0 });
  dial(turn);
}

/**
 * Keeps the timer for the next attempt running exactly while there should be one: nothing is agreed on,
 * no connection of this side's is open, and no error is being waited out.
 */
export function settleDialing(turn: Turn): void {
  const { running, connections, timers, attempts } = turn.state;
  if (connections.some(isAgreed)) disarm(turn, 'idleHold');
  const held = turn.state.timers.idleHold !== undefined;
  const mayDial = running && !turn.context.config.passive && !held;
  const wanted = mayDial && !connections.some((one) => isAgreed(one) || isOpenOutgoing(one));
  if (!wanted) {
    disarm(turn, 'connectRetry');
    giveUpAttempt(turn);
  } else if (timers.connectRetry === undefined) {
    armJittered(turn, 'connectRetry', retryAfterMs(turn.context.config, attempts));
  }
}

function isOpenOutgoing(connection: Connection): boolean {
  return isOutgoing(connection) && !isAttempt(connection);
}
