import { NOTIFICATION, notification } from '../notification-codes.ts';
import { dial, retry } from './dial.ts';
import { type Ending, fail } from './ending.ts';
import type { TimerName } from './session-event.ts';
import { type Connection, isAgreed } from './session-state.ts';
import { LARGE_HOLD_MS, PAUSE_MS, sendHoldMs } from './timing.ts';
import { arm, armJittered, ranOut, type Turn } from './turn.ts';

/** A timer went off. One that is not set any more says nothing; one that is early is set again. */
export function onTimer(turn: Turn, timer: TimerName): void {
  const deadline = turn.state.timers[timer];
  if (deadline === undefined) return;
  const leftMs = deadline - turn.context.monotonicMs;
  if (leftMs > 0) {
    arm(turn, timer, leftMs);
    return;
  }
  ranOut(turn, timer);
  if (timer.startsWith('hold/') && -leftMs > PAUSE_MS) {
    // What came while this side was not running is read first.
    arm(turn, timer, PAUSE_MS);
    return;
  }
  if (timer === 'connectRetry') retry(turn);
  else if (timer === 'idleHold') dial(turn);
  else onConnectionTimer(turn, timer);
}

function onConnectionTimer(turn: Turn, timer: TimerName): void {
  const [what, id] = timer.split('/');
  const connection = turn.state.connections.find((one) => one.id === id);
  if (connection === undefined) return;
  if (what === 'hold') fail(turn, connection, silent(connection));
  else if (what === 'sendHold') fail(turn, connection, stuck(connection));
  else keepAlive(turn, connection);
}

/** RFC 4271 §4.4. */
function keepAlive(turn: Turn, connection: Connection): void {
  if (!isAgreed(connection)) return;
  const { id, negotiated } = connection;
  turn.effects.push({ kind: 'send', connection: id, message: { kind: 'keepalive' } });
  armJittered(turn, `keepalive/${id}`, negotiated.keepaliveMs);
}

/** RFC 4271 §6.5. */
function silent(connection: Connection): Ending {
  const why = isAgreed(connection)
    ? `Nothing came from the peer for ${holdMs(connection) / 1000} s, the hold time`
    : `The peer has not sent an OPEN within ${LARGE_HOLD_MS / 1000} s of connecting`;
  return { by: 'sent', notification: notification(NOTIFICATION.holdTimer, 0), why };
}

/** RFC 9687 §3. */
function stuck(connection: Connection): Ending {
  const seconds = sendHoldMs(holdMs(connection)) / 1000;
  const why = `The peer has not read anything for ${seconds} s`;
  return { by: 'sent', notification: notification(NOTIFICATION.sendHoldTimer, 0), why };
}

function holdMs(connection: Connection): number {
  return (isAgreed(connection) && connection.negotiated.holdTimeMs) || LARGE_HOLD_MS;
}
