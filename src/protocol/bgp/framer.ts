import type { CodecContext } from './codec-context.ts';
import { checkHeader, HEADER_SIZE } from './header.ts';
import type { NotificationContent } from './message.ts';

/** What a chunk of the stream brought: whole messages, and what ends the session after them. */
export interface Framed {
  readonly messages: readonly Uint8Array[];
  readonly error: NotificationContent | undefined;
}

export interface Framer {
  /** `context` as it stands now: what the OPENs settled is known before longer messages come. */
  push(chunk: Uint8Array, context: CodecContext): Framed;
}

/**
 * Cuts a TCP stream into messages. Holds at most one message that is not whole yet, and nothing for it
 * beyond its header before the header has been checked. Messages are copies. After an error the stream is
 * lost: every further push says the same error.
 */
export function createFramer(): Framer {
  let message = new Uint8Array(HEADER_SIZE);
  let filled = 0;
  let error: NotificationContent | undefined;

  function startAfresh(): void {
    message = new Uint8Array(HEADER_SIZE);
    filled = 0;
  }

  /** With a whole header: makes room for the rest. */
  function makeRoom(context: CodecContext): void {
    const header = checkHeader(message, context);
    error = header.error;
    if (header.value === undefined || header.value.length === HEADER_SIZE) return;
    const whole = new Uint8Array(header.value.length);
    whole.set(message);
    message = whole;
  }

  return {
    push(chunk, context) {
      const messages: Uint8Array[] = [];
      let at = 0;
      while (error === undefined && at < chunk.length) {
        const step = Math.min(message.length - filled, chunk.length - at);
        message.set(chunk.subarray(at, at + step), filled);
        filled += step;
        at += step;
        if (filled === HEADER_SIZE) makeRoom(context);
        if (error === undefined && filled === message.length) {
          messages.push(message);
          startAfresh();
        }
      }
      return { messages, error };
    },
  };
}
