import fc from 'fast-check';
import { ipv4 } from '../../../../src/domain/address.ts';
import type { BgpMessage } from '../../../../src/protocol/bgp/message.ts';
import type {
  ConnectionId,
  OutgoingId,
  SessionEvent,
  TimerName,
} from '../../../../src/protocol/bgp/session/session-event.ts';
import { CONFIG, GRACEFUL, KEEPALIVE, openOf } from './scenario.ts';

/** Events as they could come from a peer and a network that mean no good, often enough of those that fit. */

const OUTGOING: readonly OutgoingId[] = ['out:1', 'out:2', 'out:3', 'out:4'];
const CONNECTIONS: readonly ConnectionId[] = [...OUTGOING, 'in:1', 'in:2', 'in:3'];
const TIMERS: readonly TimerName[] = [
  'connectRetry',
  'idleHold',
  ...CONNECTIONS.flatMap((id): TimerName[] => [`hold/${id}`, `keepalive/${id}`, `sendHold/${id}`]),
];

const content = fc.record({
  code: fc.integer({ min: 0, max: 9 }),
  subcode: fc.integer({ min: 0, max: 12 }),
  data: fc.uint8Array({ maxLength: 4 }),
});

const open: fc.Arbitrary<BgpMessage> = fc
  .record({
    asn: fc.constantFrom(64513, 64513, 64513, 64512, 0, 23_456),
    routerId: fc.constantFrom(1, 0xffffffff, CONFIG.routerId, 0),
    holdTimeSec: fc.constantFrom(90, 3, 2, 0),
    graceful: fc.boolean(),
  })
  .map(({ graceful, ...over }) => openOf(graceful ? { gracefulRestart: GRACEFUL } : {}, over));

const message: fc.Arbitrary<BgpMessage> = fc.oneof(
  { weight: 4, arbitrary: open },
  { weight: 4, arbitrary: fc.constant(KEEPALIVE) },
  fc.constant<BgpMessage>({
    kind: 'update',
    withdrawn: [],
    announced: [],
    attributes: undefined,
    endOfRib: 4,
    faults: [],
  }),
  content.map((one): BgpMessage => ({ kind: 'notification', ...one })),
  fc.record({
    kind: fc.constant('routeRefresh' as const),
    afi: fc.integer({ min: 0, max: 3 }),
    safi: fc.integer({ min: 0, max: 2 }),
    subtype: fc.constantFrom('request', 'begin', 'end', 'unassigned'),
  }),
);

const connection = fc.constantFrom(...CONNECTIONS);
const said = fc.option(content, { nil: undefined });
const reason = fc.constantFrom('', 'reset');

export const anyEvent: fc.Arbitrary<SessionEvent> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<SessionEvent>({ kind: 'start' }) },
  said.map((notification): SessionEvent => ({ kind: 'stop', notification })),
  said.map((notification): SessionEvent => ({ kind: 'reset', notification })),
  {
    weight: 6,
    arbitrary: connection.map(
      (id): SessionEvent => ({
        kind: 'connected',
        connection: id,
        local: ipv4(1),
        remote: ipv4(2),
      }),
    ),
  },
  fc.record({
    kind: fc.constant('connectFailed' as const),
    connection: fc.constantFrom(...OUTGOING),
    reason,
  }),
  fc.record({ kind: fc.constant('closed' as const), connection, reason }),
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('message' as const), connection, message }),
  },
  fc.record({ kind: fc.constant('fault' as const), connection, notification: content }),
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('timer' as const),
      timer: fc.constantFrom(...TIMERS),
    }),
  },
  fc.constant<SessionEvent>({ kind: 'bfdUp' }),
  fc.constant<SessionEvent>({ kind: 'linkUp' }),
  fc.record({ kind: fc.constant('bfdDown' as const), reason }),
  fc.record({
    kind: fc.constant('sendProgress' as const),
    connection,
    waiting: fc.boolean(),
  }),
);
