import type { NotificationContent } from './message.ts';

/** Error codes of NOTIFICATION (IANA, BGP Error Codes). */
export const NOTIFICATION = {
  header: 1,
  open: 2,
  update: 3,
  holdTimer: 4,
  stateMachine: 5,
  cease: 6,
  routeRefresh: 7, // RFC 7313
  sendHoldTimer: 8, // RFC 9687
} as const;

/** RFC 4271 §6.1. */
export const HEADER_ERROR = { notSynchronized: 1, badLength: 2, badType: 3 } as const;

/** RFC 4271 §6.2, RFC 5492 §5, RFC 9234 §4.2. */
export const OPEN_ERROR = {
  unspecific: 0,
  unsupportedVersion: 1,
  badPeerAs: 2,
  badIdentifier: 3,
  unsupportedParameter: 4,
  unacceptableHoldTime: 6,
  unsupportedCapability: 7,
  roleMismatch: 11,
} as const;

/** RFC 4271 §6.3. */
export const UPDATE_ERROR = {
  malformedAttributeList: 1,
  unrecognizedWellKnown: 2,
  missingWellKnown: 3,
  attributeFlags: 4,
  attributeLength: 5,
  invalidOrigin: 6,
  invalidNextHop: 8,
  optionalAttribute: 9,
  invalidNetwork: 10,
  malformedAsPath: 11,
} as const;

/** RFC 6608: the state in which an unexpected message came. */
export const STATE_MACHINE_ERROR = {
  unspecific: 0,
  openSent: 1,
  openConfirm: 2,
  established: 3,
} as const;

/** RFC 4486, RFC 8538 §3.1, RFC 9384. */
export const CEASE = {
  unspecific: 0,
  maximumPrefixes: 1,
  administrativeShutdown: 2,
  peerDeconfigured: 3,
  administrativeReset: 4,
  connectionRejected: 5,
  configurationChange: 6,
  collisionResolution: 7,
  outOfResources: 8,
  hardReset: 9,
  bfdDown: 10,
} as const;

/** RFC 7313 §5. */
export const ROUTE_REFRESH_ERROR = { invalidLength: 1 } as const;

const NO_DATA = new Uint8Array();

export function notification(
  code: number,
  subcode: number,
  data: Uint8Array = NO_DATA,
): NotificationContent {
  return { code, subcode, data };
}
