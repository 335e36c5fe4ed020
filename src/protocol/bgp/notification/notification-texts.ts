import {
  CEASE,
  HEADER_ERROR,
  NOTIFICATION,
  OPEN_ERROR,
  ROUTE_REFRESH_ERROR,
  STATE_MACHINE_ERROR,
  UPDATE_ERROR,
} from '../notification-codes.ts';

/** What an error is called, and what likely lies behind it or helps; read by whoever runs the box. */
export interface NotificationText {
  readonly name: string;
  /** Empty: the name says it. Holds true whichever side said it. */
  readonly remedy: string;
}

/** All subcodes of one code. */
export interface NotificationTexts {
  /** For a subcode that is not listed. */
  readonly name: string;
  readonly remedy: string;
  readonly bySubcode: ReadonlyMap<number, NotificationText>;
}

function text(subcode: number, name: string, remedy = ''): [number, NotificationText] {
  return [subcode, { name, remedy }];
}

const HEADER: NotificationTexts = {
  name: 'Message header error',
  remedy: '',
  bySubcode: new Map([
    text(
      HEADER_ERROR.notSynchronized,
      'Connection not synchronized',
      'something else than BGP speaks on this port, or a middlebox changes the stream',
    ),
    text(HEADER_ERROR.badLength, 'Bad message length'),
    text(HEADER_ERROR.badType, 'Bad message type'),
  ]),
};

const OPEN: NotificationTexts = {
  name: 'OPEN message error',
  remedy: '',
  bySubcode: new Map([
    text(OPEN_ERROR.unspecific, 'Malformed OPEN'),
    text(OPEN_ERROR.unsupportedVersion, 'Unsupported version of BGP'),
    text(
      OPEN_ERROR.badPeerAs,
      'Wrong AS number',
      "compare myASN, localASN and peerASN of the BGPPeer with the router's neighbour and local AS",
    ),
    text(
      OPEN_ERROR.badIdentifier,
      'Bad router ID',
      'both sides may have the same one: set routerID of the BGPPeer, or that of the router',
    ),
    text(OPEN_ERROR.unsupportedParameter, 'Unsupported optional parameter'),
    text(
      OPEN_ERROR.unacceptableHoldTime,
      'Unacceptable hold time',
      'set holdTime of the BGPPeer to what the router accepts, 3 s or more',
    ),
    text(
      OPEN_ERROR.unsupportedCapability,
      'A required capability is missing',
      'enable the same address families on both sides',
    ),
    text(
      OPEN_ERROR.roleMismatch,
      'Role mismatch',
      'the router insists on a BGP role (RFC 9234): remove strict mode for this neighbour',
    ),
  ]),
};

const UPDATE: NotificationTexts = {
  name: 'UPDATE message error',
  remedy: '',
  bySubcode: new Map([
    text(UPDATE_ERROR.malformedAttributeList, 'Malformed attribute list'),
    text(UPDATE_ERROR.unrecognizedWellKnown, 'Unrecognized well-known attribute'),
    text(UPDATE_ERROR.missingWellKnown, 'Missing well-known attribute'),
    text(UPDATE_ERROR.attributeFlags, 'Wrong attribute flags'),
    text(UPDATE_ERROR.attributeLength, 'Wrong attribute length'),
    text(UPDATE_ERROR.invalidOrigin, 'Invalid ORIGIN'),
    text(7, 'AS routing loop'),
    text(
      UPDATE_ERROR.invalidNextHop,
      'Invalid NEXT_HOP',
      'see that the next hop is an address the router can reach directly',
    ),
    text(UPDATE_ERROR.optionalAttribute, 'Error in an optional attribute'),
    text(UPDATE_ERROR.invalidNetwork, 'Invalid prefix'),
    text(
      UPDATE_ERROR.malformedAsPath,
      'Malformed AS path',
      'a router may insist that the first AS is its neighbour: check localASN',
    ),
  ]),
};

const STATE_MACHINE: NotificationTexts = {
  name: 'Unexpected message',
  remedy: '',
  bySubcode: new Map([
    text(STATE_MACHINE_ERROR.openSent, 'Unexpected message while an OPEN was waited for'),
    text(STATE_MACHINE_ERROR.openConfirm, 'Unexpected message while a KEEPALIVE was waited for'),
    text(STATE_MACHINE_ERROR.established, 'Unexpected message in an established session'),
  ]),
};

const CEASE_TEXTS: NotificationTexts = {
  name: 'Session ended',
  remedy: '',
  bySubcode: new Map([
    text(
      CEASE.maximumPrefixes,
      'Too many prefixes',
      "announce fewer (aggregationLength of the BGPAdvertisement), or raise the router's limit",
    ),
    text(CEASE.administrativeShutdown, 'Shut down on purpose'),
    text(CEASE.peerDeconfigured, 'The neighbour was removed from the configuration'),
    text(CEASE.administrativeReset, 'Reset on purpose'),
    text(
      CEASE.connectionRejected,
      'Connection rejected',
      'see that the router has this address as an active neighbour',
    ),
    text(CEASE.configurationChange, 'The configuration was changed'),
    text(CEASE.collisionResolution, 'Both sides connected at once', 'the other connection goes on'),
    text(CEASE.outOfResources, 'Out of resources'),
    text(CEASE.hardReset, 'Hard reset'),
    text(CEASE.bfdDown, 'BFD says that the path is down'),
  ]),
};

const HOLD_TIMER: NotificationTexts = {
  name: 'Hold timer expired',
  remedy: 'nothing came from the other side for the whole hold time: see that packets get through',
  bySubcode: new Map(),
};

const ROUTE_REFRESH: NotificationTexts = {
  name: 'ROUTE-REFRESH message error',
  remedy: '',
  bySubcode: new Map([text(ROUTE_REFRESH_ERROR.invalidLength, 'ROUTE-REFRESH of a wrong length')]),
};

const SEND_HOLD_TIMER: NotificationTexts = {
  name: 'Send hold timer expired',
  remedy: 'the other side took no data for too long: see whether it is overloaded',
  bySubcode: new Map(),
};

/** By error code. */
export const NOTIFICATION_TEXTS: ReadonlyMap<number, NotificationTexts> = new Map([
  [NOTIFICATION.header, HEADER],
  [NOTIFICATION.open, OPEN],
  [NOTIFICATION.update, UPDATE],
  [NOTIFICATION.holdTimer, HOLD_TIMER],
  [NOTIFICATION.stateMachine, STATE_MACHINE],
  [NOTIFICATION.cease, CEASE_TEXTS],
  [NOTIFICATION.routeRefresh, ROUTE_REFRESH],
  [NOTIFICATION.sendHoldTimer, SEND_HOLD_TIMER],
]);
