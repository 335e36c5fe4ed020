import type { CodecContext } from '../../../protocol/bgp/codec-context.ts';
import { decodeMessage } from '../../../protocol/bgp/decode-message.ts';
import { encodeMessage } from '../../../protocol/bgp/encode-message.ts';
import { createFramer } from '../../../protocol/bgp/framer.ts';
import type { BgpMessage, NotificationContent } from '../../../protocol/bgp/message.ts';
import type { ConnectionId, SessionEvent } from '../../../protocol/bgp/session/session-event.ts';
import type { ConnectHandlers, TcpConnection, TcpEnds } from '../../../system/tcp/tcp.ts';
import type { MessageCounters } from './message-counters.ts';

/** One connection of a session, which carries messages. What happens on it becomes events. */
export interface Wire {
  /** How messages are read and written now. */
  context(): CodecContext;
  send(message: BgpMessage): void;
  /** One that is encoded already. */
  sendUpdate(bytes: Uint8Array): void;
  readonly queuedBytes: number;
  /** Says so and closes, giving the peer bounded time to read it. No event comes from here on. */
  close(notification: NotificationContent | undefined): void;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
}

export interface WireOptions {
  readonly id: ConnectionId;
  /** Ends of a connection that the peer opened. */
  readonly ends: TcpEnds | undefined;
  readonly counters: MessageCounters;
  context(): CodecContext;
  open(handlers: ConnectHandlers): TcpConnection;
  dispatch(event: SessionEvent): void;
  /** In words, for people. */
  describe(error: NodeJS.ErrnoException): string;
  /** The peer has read everything. */
  onDrain(): void;
}

export function createWire(options: WireOptions): Wire {
  const { id, counters, context, dispatch } = options;
  const framer = createFramer();
  const closed = Promise.withResolvers<void>();
  let isOpen = options.ends !== undefined;
  let isOver = false;
  let waiting = false;
  let lastQueued = 0;

  const connection = options.open({
    onOpen({ local, remote }) {
      isOpen = true;
      if (!isOver) dispatch({ kind: 'connected', connection: id, local, remote });
    },
    onData,
    onDrain() {
      waiting = false;
      if (isOver) return;
      dispatch({ kind: 'sendProgress', connection: id, waiting: false });
      options.onDrain();
    },
    onClose(error) {
      closed.resolve();
      if (isOver) return;
      isOver = true;
      const reason = error ? options.describe(error) : '';
      if (isOpen) dispatch({ kind: 'closed', connection: id, reason });
      else if (isOutgoing(id)) dispatch({ kind: 'connectFailed', connection: id, reason });
    },
  });

  function onData(bytes: Uint8Array) {
    if (isOver) return;
    const { messages, error } = framer.push(bytes, context());
    for (const whole of messages) {
      // The message before may have ended the session, or settled how this one is read.
      if (isOver) return;
      const { value, error: fault } = decodeMessage(whole, context());
      if (value) {
        counters.received(value.kind);
        dispatch({ kind: 'message', connection: id, message: value });
      } else dispatch({ kind: 'fault', connection: id, notification: fault });
    }
    if (error && !isOver) dispatch({ kind: 'fault', connection: id, notification: error });
  }

  function write(bytes: Uint8Array) {
    const before = connection.queuedBytes;
    connection.send(bytes);
    const queued = connection.queuedBytes;
    const begins = queued > 0 && !waiting;
    if (begins || (waiting && before < lastQueued))
      dispatch({ kind: 'sendProgress', connection: id, waiting: true });
    waiting ||= begins;
    lastQueued = queued;
  }

  function send(message: BgpMessage) {
    counters.sent(message.kind);
    write(encodeMessage(message, context()));
  }

  return {
    context,
    send,
    sendUpdate(bytes) {
      counters.sent('update');
      write(bytes);
    },
    get queuedBytes() {
      return connection.queuedBytes;
    },
    close(notification) {
      if (isOver) return;
      isOver = true;
      if (isOpen) {
        if (notification) send({ kind: 'notification', ...notification });
        connection.end();
      } else {
        connection.destroy();
        closed.resolve();
      }
    },
    closed: closed.promise,
  };
}

function isOutgoing(id: ConnectionId): id is `out:${number}` {
  return id.startsWith('out:');
}
