import { type CodecContext, INITIAL_CONTEXT, maxMessageLength } from './codec-context.ts';
import { HEADER_SIZE, MESSAGE_TYPE, startMessage } from './header.ts';
import type { BgpMessage, NotificationMessage } from './message.ts';
import { encodeOpen } from './open/open.ts';
import { encodeRouteRefresh } from './route-refresh.ts';
import { encodeUpdate } from './update/encode-update.ts';

/** A whole message as it goes onto the wire. Throws `RangeError` for what no message can say. */
export function encodeMessage(message: BgpMessage, context: CodecContext): Uint8Array {
  const bytes = encode(message, context);
  const most = maxMessageLength(message.kind === 'open' ? INITIAL_CONTEXT : context);
  if (bytes.length > most)
    throw new RangeError(`A message of ${bytes.length} octets exceeds the ${most} of this session`);
  return bytes;
}

function encode(message: BgpMessage, context: CodecContext): Uint8Array {
  switch (message.kind) {
    case 'open':
      return encodeOpen(message);
    case 'update':
      return encodeUpdate(message, context);
    case 'notification':
      return encodeNotification(message, context);
    case 'keepalive':
      return startMessage(MESSAGE_TYPE.keepalive, HEADER_SIZE).done();
    case 'routeRefresh':
      return encodeRouteRefresh(message);
  }
}

/** Data that is too long is cut: the code alone ends the session as well. */
function encodeNotification(message: NotificationMessage, context: CodecContext): Uint8Array {
  const { code, subcode, data } = message;
  const cut = data.subarray(0, maxMessageLength(context) - HEADER_SIZE - 2);
  const length = HEADER_SIZE + 2 + cut.length;
  const writer = startMessage(MESSAGE_TYPE.notification, length);
  return writer.u8(code).u8(subcode).bytes(cut).done();
}
