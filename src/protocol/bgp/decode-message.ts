import type { Checked } from './checked.ts';
import type { CodecContext } from './codec-context.ts';
import { checkHeader, HEADER_SIZE, MESSAGE_TYPE } from './header.ts';
import type { BgpMessage, NotificationMessage } from './message.ts';
import { HEADER_ERROR, NOTIFICATION, notification } from './notification-codes.ts';
import { decodeOpen } from './open/open.ts';
import { decodeRouteRefresh } from './route-refresh.ts';
import { decodeUpdate } from './update/decode-update.ts';

/**
 * Reads one whole message, as the framer cuts it. Never throws, whatever the octets. The value keeps none
 * of `bytes`. An `error` is what the peer must be told, and the session is over.
 */
export function decodeMessage(bytes: Uint8Array, context: CodecContext): Checked<BgpMessage> {
  if (bytes.length < HEADER_SIZE) return badLength(bytes.length);
  const header = checkHeader(bytes, context);
  if (header.value === undefined) return header;
  if (header.value.length !== bytes.length) return badLength(header.value.length);
  const body = bytes.subarray(HEADER_SIZE);
  switch (header.value.type) {
    case MESSAGE_TYPE.open:
      return decodeOpen(body);
    case MESSAGE_TYPE.update:
      return decodeUpdate(body, context);
    case MESSAGE_TYPE.notification:
      return { value: decodeNotification(body) };
    case MESSAGE_TYPE.routeRefresh:
      return decodeRouteRefresh(bytes);
    default:
      return { value: { kind: 'keepalive' } };
  }
}

function decodeNotification(body: Uint8Array): NotificationMessage {
  const [code = 0, subcode = 0] = body;
  return { kind: 'notification', code, subcode, data: body.slice(2) };
}

function badLength(length: number): Checked<never> {
  const data = Uint8Array.of(length >> 8, length & 0xff);
  return { error: notification(NOTIFICATION.header, HEADER_ERROR.badLength, data) };
}
