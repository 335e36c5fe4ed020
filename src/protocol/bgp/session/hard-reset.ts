import type { NotificationContent } from '../message.ts';
import { CEASE, NOTIFICATION, notification } from '../notification-codes.ts';
import type { Negotiated } from './negotiated.ts';

/** Ceases after which the peer is to keep nothing (RFC 8538 §4, its table, and RFC 9384 since). */
const ENDS_ROUTES: readonly number[] = [
  CEASE.maximumPrefixes,
  CEASE.administrativeShutdown,
  CEASE.peerDeconfigured,
  CEASE.bfdDown,
];

/**
 * What to send so that the peer understands it: inside a Hard Reset where a plain Cease would let it keep
 * the routes and it must not (RFC 8538 §3.1: code, subcode and data are the data then).
 */
export function asHardReset(
  content: NotificationContent,
  { gracefulRestart }: Negotiated,
): NotificationContent {
  const { code, subcode, data } = content;
  const ends = code === NOTIFICATION.cease && ENDS_ROUTES.includes(subcode);
  if (!ends || !gracefulRestart?.notification) return content;
  return notification(NOTIFICATION.cease, CEASE.hardReset, Uint8Array.of(code, subcode, ...data));
}

/**
 * Whether the peer keeps this side's routes after such an end; `undefined`: nothing was said
 * (RFC 4724 §4.2, RFC 8538 §3).
 */
export function keepsRoutes(
  { gracefulRestart }: Negotiated,
  said: NotificationContent | undefined,
): boolean {
  if (gracefulRestart === undefined || gracefulRestart.restartTimeMs === 0) return false;
  if (gracefulRestart.families.length === 0) return false;
  if (said === undefined) return true;
  const hard = said.code === NOTIFICATION.cease && said.subcode === CEASE.hardReset;
  return gracefulRestart.notification && !hard;
}
