import { ByteReader } from '../bytes.ts';
import type { Checked } from './checked.ts';
import { HEADER_SIZE, MESSAGE_TYPE, startMessage } from './header.ts';
import type { RouteRefreshMessage } from './message.ts';
import { NOTIFICATION, notification, ROUTE_REFRESH_ERROR } from './notification-codes.ts';

const BODY_SIZE = 4;

/** By subtype (RFC 7313 §3.2); others are for nobody yet. */
const SUBTYPES: readonly RouteRefreshMessage['subtype'][] = ['request', 'begin', 'end'];

/** Reads a ROUTE-REFRESH, given whole. What follows a request is a filter (RFC 5291), and ignored. */
export function decodeRouteRefresh(message: Uint8Array): Checked<RouteRefreshMessage> {
  const reader = new ByteReader(message.subarray(HEADER_SIZE));
  const afi = reader.u16();
  const subtype = SUBTYPES[reader.u8()] ?? 'unassigned';
  const safi = reader.u8();
  if (reader.remaining > 0 && (subtype === 'begin' || subtype === 'end')) {
    const { routeRefresh } = NOTIFICATION;
    return {
      error: notification(routeRefresh, ROUTE_REFRESH_ERROR.invalidLength, message.slice()),
    };
  }
  return { value: { kind: 'routeRefresh', afi, safi, subtype } };
}

/** Throws `RangeError` for an unassigned subtype. */
export function encodeRouteRefresh(message: RouteRefreshMessage): Uint8Array {
  const subtype = SUBTYPES.indexOf(message.subtype);
  if (subtype < 0) throw new RangeError('Cannot send a ROUTE-REFRESH of an unassigned subtype');
  const writer = startMessage(MESSAGE_TYPE.routeRefresh, HEADER_SIZE + BODY_SIZE);
  return writer.u16(message.afi).u8(subtype).u8(message.safi).done();
}
