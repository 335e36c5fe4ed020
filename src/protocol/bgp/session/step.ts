import type { BgpState } from '../../../domain/bgp/bgp-session.ts';
import type { NotificationContent } from '../message.ts';
import { describeNotification } from '../notification/notification.ts';
import { CEASE, NOTIFICATION, notification } from '../notification-codes.ts';
import { dial, hurry, settleDialing } from './dial.ts';
import { close, fail, isSuperfluous } from './ending.ts';
import { asHardReset } from './hard-reset.ts';
import { onConnected } from './on-connected.ts';
import { onMessage } from './on-message.ts';
import { onTimer } from './on-timer.ts';
import type { StepContext } from './session-config.ts';
import type { SessionEffect } from './session-effect.ts';
import type { SessionEvent } from './session-event.ts';
import {
  type Connection,
  establishedConnection,
  isAgreed,
  isAttempt,
  type SessionState,
} from './session-state.ts';
import { sendHoldMs } from './timing.ts';
import { arm, changeState, connectionOf, disarm, patch, remember, type Turn } from './turn.ts';

/** What an event makes of a session, and what is to be done for it, in order. */
export interface Stepped {
  readonly state: SessionState;
  readonly effects: readonly SessionEffect[];
}

/**
 * The state machine of one BGP session (RFC 4271 §8): all that decides when to open, to speak, to believe
 * and to close. Takes every event in every state and never throws; the same arguments give the same
 * result. Where the RFC has one machine for each connection, this is one for the peer, and the
 * connections have phases: so collisions are settled in one place (`on-open.ts`).
 */
export function step(state: SessionState, event: SessionEvent, context: StepContext): Stepped {
  const turn: Turn = { state, effects: [], context };
  apply(turn, event);
  settleDialing(turn);
  changeState(turn, stateOf(turn.state));
  return { state: turn.state, effects: turn.effects };
}

function apply(turn: Turn, event: SessionEvent): void {
  switch (event.kind) {
    case 'start':
      if (!turn.state.running) begin(turn);
      return;
    case 'stop':
      end(turn, event.notification);
      return;
    case 'reset':
      if (!turn.state.running) return;
      end(turn, event.notification);
      begin(turn);
      return;
    case 'connected':
      onConnected(turn, event);
      return;
    case 'timer':
      onTimer(turn, event.timer);
      return;
    case 'bfdUp':
      patch(turn, { bfd: 'up' });
      hurry(turn);
      return;
    case 'linkUp':
      hurry(turn);
      return;
    case 'bfdDown':
      onBfdDown(turn, event.reason);
      return;
    default:
      onConnectionEvent(turn, event);
  }
}

type ConnectionEvent = Extract<
  SessionEvent,
  { kind: 'connectFailed' | 'closed' | 'message' | 'fault' | 'sendProgress' }
>;

/** About a connection that is not known any more, nothing is to be done. */
function onConnectionEvent(turn: Turn, event: ConnectionEvent): void {
  const connection = connectionOf(turn, event.connection);
  if (connection === undefined) return;
  if (event.kind === 'closed' || event.kind === 'connectFailed') {
    onClosed(turn, connection, event.reason);
  } else if (event.kind === 'sendProgress') onSendProgress(turn, connection, event.waiting);
  else if (isAttempt(connection)) return;
  else if (event.kind === 'message') onMessage(turn, connection, event.message);
  else {
    const why = describeNotification(event.notification);
    fail(turn, connection, { by: 'sent', notification: event.notification, why });
  }
}

function begin(turn: Turn): void {
  patch(turn, { running: true, attempts: 0, errorsInRow: 0 });
  dial(turn);
}

/** RFC 4271 §8.2.2, ManualStop: to Idle, from which only a `start` leads. */
function end(turn: Turn, notification: NotificationContent | undefined): void {
  for (const connection of turn.state.connections) {
    const said =
      notification && isAgreed(connection)
        ? asHardReset(notification, connection.negotiated)
        : notification;
    const why = said ? describeNotification(said) : 'Closed without a word to the peer';
    close(turn, connection, { by: 'sent', notification: said, why });
    if (said && !isAttempt(connection)) remember(turn, 'sent', why);
  }
  disarm(turn, 'idleHold');
  patch(turn, { running: false });
}

/**
 * RFC 4271 §8.2.2, TcpConnectionFails. Before the OPENs it is not an error that waiting could mend: the
 * peer may just not want to talk yet.
 */
function onClosed(turn: Turn, connection: Connection, reason: string): void {
  const why = reason || CLOSED[connection.phase];
  const ending = { by: 'transport', notification: undefined, why } as const;
  if (isAgreed(connection)) {
    fail(turn, connection, ending);
    return;
  }
  close(turn, connection, ending);
  if (!isSuperfluous(turn, connection)) remember(turn, 'transport', why);
  // The time for the attempt is over; settling sets that until the next one.
  if (isAttempt(connection)) disarm(turn, 'connectRetry');
}

const CLOSED: Readonly<Record<Connection['phase'], string>> = {
  connecting: 'The peer closed the connection at once',
  openSent:
    'The peer closed the connection before it said OPEN: see that it knows this box as a peer',
  openConfirm: 'The peer closed the connection after both had said OPEN',
  established: 'The peer closed the connection without a NOTIFICATION',
};

function onSendProgress(turn: Turn, connection: Connection, waiting: boolean): void {
  const timer = `sendHold/${connection.id}` as const;
  if (waiting && isAgreed(connection))
    arm(turn, timer, sendHoldMs(connection.negotiated.holdTimeMs));
  else disarm(turn, timer);
}

const BFD_DOWN = notification(NOTIFICATION.cease, CEASE.bfdDown);

/**
 * RFC 5882 §3.2, RFC 9384: what was seen alive is so no more. A Hard Reset: where only the way here is cut,
 * the peer hears this first, and would keep routes into the cut for the restart time.
 */
function onBfdDown(turn: Turn, reason: string): void {
  if (turn.state.bfd !== 'up') return;
  patch(turn, { bfd: 'down' });
  const connection = establishedConnection(turn.state);
  if (connection === undefined) return;
  fail(turn, connection, {
    by: 'sent',
    notification: asHardReset(BFD_DOWN, connection.negotiated),
    why: `BFD: ${reason}`,
  });
}

const STATE_OF = {
  connecting: 'Connect',
  openSent: 'OpenSent',
  openConfirm: 'OpenConfirm',
  established: 'Established',
} as const satisfies Record<Connection['phase'], BgpState>;

const FURTHEST_FIRST = ['established', 'openConfirm', 'openSent', 'connecting'] as const;

function stateOf({ running, connections, timers }: SessionState): BgpState {
  const phase = FURTHEST_FIRST.find((one) => connections.some((other) => other.phase === one));
  if (phase !== undefined) return STATE_OF[phase];
  return running && timers.idleHold === undefined ? 'Active' : 'Idle';
}
