import test from 'ava';
import { INITIAL_CONTEXT } from '../../../../src/protocol/bgp/codec-context.ts';
import { decodeMessage } from '../../../../src/protocol/bgp/decode-message.ts';
import { encodeMessage } from '../../../../src/protocol/bgp/encode-message.ts';
import type { BgpMessage } from '../../../../src/protocol/bgp/message.ts';
import {
  CEASE,
  NOTIFICATION,
  notification,
} from '../../../../src/protocol/bgp/notification-codes.ts';
import type {
  ConnectionId,
  SessionEvent,
} from '../../../../src/protocol/bgp/session/session-event.ts';
import { createMessageCounters } from '../../../../src/speaker/bgp/connection/message-counters.ts';
import { createWire } from '../../../../src/speaker/bgp/connection/wire.ts';
import type { ConnectHandlers, TcpEnds } from '../../../../src/system/tcp/tcp.ts';
import { address } from '../../../support/objects.ts';

const KEEPALIVE: BgpMessage = { kind: 'keepalive' };
const encoded = (message: BgpMessage) => encodeMessage(message, INITIAL_CONTEXT);
const ENDS: TcpEnds = {
  ...{ local: address('192.0.2.2'), localPort: 50_000, remote: address('192.0.2.1') },
  ...{ remotePort: 179, interface: undefined },
};

function scene(id: ConnectionId = 'out:1') {
  const events: SessionEvent[] = [];
  const sent: Uint8Array[] = [];
  const state = { queued: 0, calls: [] as string[], drains: 0 };
  let tell: ConnectHandlers | undefined;
  const counters = createMessageCounters();
  const wire = createWire({
    ...{ id, counters, ends: id === 'in:1' ? ENDS : undefined },
    context: () => INITIAL_CONTEXT,
    open(handlers) {
      tell = handlers;
      return {
        send: (bytes) => void sent.push(bytes),
        get queuedBytes() {
          return state.queued;
        },
        end: () => void state.calls.push('end'),
        destroy: () => void state.calls.push('destroy'),
      };
    },
    dispatch: (event) => events.push(event),
    describe: ({ code }) => `in words: ${code}`,
    onDrain: () => {
      state.drains += 1;
    },
  });
  if (!tell) throw new Error('it was not opened');
  return { events, sent, state, counters, wire, tell };
}

const kinds = (events: readonly SessionEvent[]) => events.map(({ kind }) => kind);

test('a wire makes events of what comes, message by message', (t) => {
  const { events, tell, counters } = scene();
  tell.onOpen(ENDS);
  const both = new Uint8Array([...encoded(KEEPALIVE), ...encoded(KEEPALIVE)]);
  tell.onData(both.subarray(0, 25));
  tell.onData(both.subarray(25));
  t.deepEqual(kinds(events), ['connected', 'message', 'message']);
  t.like(events[0], { local: ENDS.local, remote: ENDS.remote });
  t.is(counters.current().keepalivesReceived, 2);
  tell.onData(new Uint8Array(19));
  t.like(events[3], { kind: 'fault', connection: 'out:1', notification: { code: 1, subcode: 1 } });
});

test('an attempt that fails is another event than a connection that ends', (t) => {
  const error = Object.assign(new Error('no'), { code: 'ECONNREFUSED' });
  const attempt = scene();
  attempt.tell.onClose(error);
  t.deepEqual(attempt.events, [
    { kind: 'connectFailed', connection: 'out:1', reason: 'in words: ECONNREFUSED' },
  ]);
  const incoming = scene('in:1');
  incoming.tell.onClose(undefined);
  t.deepEqual(incoming.events, [{ kind: 'closed', connection: 'in:1', reason: '' }]);
});

test('a wire says when octets begin to wait, move, and are gone', (t) => {
  const { events, state, tell, wire } = scene('in:1');
  const send = (queued: number) => {
    wire.send(KEEPALIVE);
    state.queued = queued;
  };
  send(0);
  t.deepEqual(events, []);
  state.queued = 19;
  wire.send(KEEPALIVE);
  t.like(events[0], { kind: 'sendProgress', waiting: true });
  wire.send(KEEPALIVE);
  t.is(events.length, 1, 'nothing has moved');
  state.queued = 5;
  wire.send(KEEPALIVE);
  t.like(events[1], { kind: 'sendProgress', waiting: true });
  tell.onDrain();
  t.like(events[2], { kind: 'sendProgress', waiting: false });
  t.is(state.drains, 1);
});

test('close() says why, once, and nothing is heard of the wire any more', async (t) => {
  const { events, sent, state, tell, wire, counters } = scene('in:1');
  wire.close(notification(NOTIFICATION.cease, CEASE.administrativeReset));
  wire.close(notification(NOTIFICATION.cease, CEASE.administrativeReset));
  t.deepEqual(state.calls, ['end']);
  const said = decodeMessage(sent[0] as Uint8Array, INITIAL_CONTEXT).value;
  t.like(said, { kind: 'notification', code: 6, subcode: 4 });
  t.is(counters.current().notificationsSent, 1);
  tell.onData(encoded(KEEPALIVE));
  tell.onDrain();
  tell.onClose(undefined);
  t.deepEqual(events, []);
  await wire.closed;
});

test('close() gives an attempt up', async (t) => {
  const { state, sent, tell, wire, events } = scene();
  wire.close(undefined);
  t.deepEqual(state.calls, ['destroy']);
  t.is(sent.length, 0);
  await wire.closed;
  tell.onOpen(ENDS);
  t.deepEqual(events, []);
});
