import { familyOfPair } from '../address-family.ts';
import { MESSAGE_TYPE } from '../header.ts';
import type {
  BgpMessage,
  NotificationContent,
  NotificationMessage,
  RouteRefreshMessage,
} from '../message.ts';
import { describeNotification } from '../notification/notification.ts';
import { CEASE, NOTIFICATION, notification, STATE_MACHINE_ERROR } from '../notification-codes.ts';
import { close, type Ending, fail, isSuperfluous } from './ending.ts';
import { onOpen } from './on-open.ts';
import type { Connection, Established, OpenConfirm } from './session-state.ts';
import { arm, disarm, patch, put, remember, type Turn } from './turn.ts';

type Opened = Exclude<Connection, { phase: 'connecting' }>;

const STATE_NAME = {
  openSent: 'OpenSent',
  openConfirm: 'OpenConfirm',
  established: 'Established',
} as const;

/** A whole message that can be read, in the state that its connection is in (RFC 4271 §8.2.2). */
export function onMessage(turn: Turn, connection: Opened, message: BgpMessage): void {
  if (message.kind === 'notification') onNotification(turn, connection, message);
  else if (connection.phase === 'openSent' && message.kind === 'open')
    onOpen(turn, connection, message);
  else if (connection.phase === 'openConfirm' && message.kind === 'keepalive')
    establish(turn, connection);
  else if (connection.phase === 'established' && message.kind !== 'open')
    onSessionMessage(turn, connection, message);
  else fail(turn, connection, unexpected(connection, message));
}

function establish(turn: Turn, connection: OpenConfirm): void {
  const { id, negotiated } = connection;
  const establishedMs = turn.context.monotonicMs;
  put(turn, { ...connection, phase: 'established', establishedMs });
  patch(turn, { established: turn.state.established + 1, attempts: 0 });
  restartHold(turn, connection);
  turn.effects.push({ kind: 'established', connection: id, negotiated });
}

function onSessionMessage(
  turn: Turn,
  connection: Established,
  message: Exclude<BgpMessage, { kind: 'open' | 'notification' }>,
): void {
  restartHold(turn, connection);
  if (message.kind === 'update') turn.effects.push({ kind: 'update', message });
  if (message.kind === 'routeRefresh') onRouteRefresh(turn, connection, message);
}

/** Any message shows that the peer lives. */
function restartHold(turn: Turn, { id, negotiated }: OpenConfirm | Established): void {
  if (negotiated.holdTimeMs > 0) arm(turn, `hold/${id}`, negotiated.holdTimeMs);
  else disarm(turn, `hold/${id}`);
}

/** Of a family or kind that was not agreed on, it is ignored (RFC 2918 §4, RFC 7313 §5). */
function onRouteRefresh(
  turn: Turn,
  { negotiated }: Established,
  { afi, safi, subtype }: RouteRefreshMessage,
): void {
  const family = familyOfPair(afi, safi);
  if (family === undefined || !negotiated.codec.families.includes(family)) return;
  if (subtype === 'request') turn.effects.push({ kind: 'refreshRequested', family });
  if (!negotiated.enhancedRouteRefresh || (subtype !== 'begin' && subtype !== 'end')) return;
  turn.effects.push({ kind: 'peerRefresh', family, phase: subtype });
}

function onNotification(turn: Turn, connection: Opened, message: NotificationMessage): void {
  const why = describeNotification(message);
  const ending: Ending = { by: 'received', notification: message, why };
  if (connection.phase === 'established' || !isRefusal(message)) {
    fail(turn, connection, ending);
    return;
  }
  // The peer has nothing against this side: it keeps another connection, or will take one later.
  close(turn, connection, ending);
  if (!isSuperfluous(turn, connection)) remember(turn, 'received', why);
}

/** RFC 4486 §4. */
function isRefusal({ code, subcode }: NotificationContent): boolean {
  if (code !== NOTIFICATION.cease) return false;
  return subcode === CEASE.collisionResolution || subcode === CEASE.connectionRejected;
}

/** RFC 6608: the subcode tells the state, and the data which type of message came in it. */
function unexpected({ phase }: Opened, { kind }: BgpMessage): Ending {
  const type = MESSAGE_TYPE[kind];
  return {
    by: 'sent',
    notification: notification(
      NOTIFICATION.stateMachine,
      STATE_MACHINE_ERROR[phase],
      Uint8Array.of(type),
    ),
    why: `The peer sent ${NAME[kind]} in state ${STATE_NAME[phase]}, where none is expected`,
  };
}

const NAME: Readonly<Record<BgpMessage['kind'], string>> = {
  open: 'an OPEN',
  update: 'an UPDATE',
  notification: 'a NOTIFICATION',
  keepalive: 'a KEEPALIVE',
  routeRefresh: 'a ROUTE-REFRESH',
};
