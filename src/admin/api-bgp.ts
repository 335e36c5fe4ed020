import Type from 'typebox';

/** Answers about BGP and BFD, as `api.ts`. Durations are milliseconds, AS numbers integers. */
const Address = Type.String({ description: 'IPv4 or IPv6 address' });
const Prefix = Type.String({ description: 'IPv4 or IPv6 prefix' });
const Time = Type.String({ description: 'RFC 3339' });
const Count = Type.Integer({ minimum: 0 });
const Asn = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 });
const Peer = Type.String({ description: 'namespace/name of the BGPPeer' });

export const BfdSession = Type.Object({
  peer: Peer,
  state: Type.Enum(['AdminDown', 'Down', 'Init', 'Up']),
  since: Time,
  remoteState: Type.Enum(['AdminDown', 'Down', 'Init', 'Up']),
  remoteAddress: Address,
  localAddress: Type.Optional(Address),
  interface: Type.Optional(Type.String()),
  multihop: Type.Boolean(),
  localDiscriminator: Count,
  remoteDiscriminator: Count,
  localDiagnostic: Type.String({ description: 'RFC 5880 §4.1, in words' }),
  remoteDiagnostic: Type.String(),
  transmitIntervalMs: Type.Number({ description: 'In use' }),
  receiveIntervalMs: Type.Number(),
  detectionTimeMs: Type.Number({ description: 'Silence after which the session is down' }),
  packetsSent: Count,
  packetsReceived: Count,
  packetsDropped: Count,
  upEvents: Count,
  downEvents: Count,
  obstacle: Type.String({ description: 'Why it cannot work; empty: nothing' }),
});
export type BfdSession = Type.Static<typeof BfdSession>;

const SaidError = Type.Object({ text: Type.String(), at: Time });
export type SaidError = Type.Static<typeof SaidError>;

export const BgpSession = Type.Object({
  peer: Peer,
  state: Type.Enum(['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established']),
  since: Time,
  obstacle: Type.String({ description: 'Why it does not try; empty: nothing' }),
  remoteAddress: Type.Optional(Address),
  localAddress: Type.Optional(Address),
  interface: Type.Optional(Type.String({ description: 'Of an unnumbered peer' })),
  localAsn: Asn,
  peerAsn: Type.Union([Asn, Type.Enum(['internal', 'external'])]),
  localRouterId: Type.Optional(Address),
  peerRouterId: Type.Optional(Address),
  holdTimeMs: Count,
  keepaliveMs: Count,
  capabilities: Type.Array(Type.String(), { description: 'That both sides have' }),
  lastError: Type.Object(
    {
      sent: Type.Optional(SaidError),
      received: Type.Optional(SaidError),
      transport: Type.Optional(SaidError),
    },
    { description: 'The last end of the session by each side, and failure to connect' },
  ),
  established: Type.Integer({ minimum: 0, description: 'How often' }),
  messages: Type.Object({
    opensSent: Count,
    opensReceived: Count,
    updatesSent: Count,
    updatesReceived: Count,
    keepalivesSent: Count,
    keepalivesReceived: Count,
    notificationsSent: Count,
    notificationsReceived: Count,
    refreshesSent: Count,
    refreshesReceived: Count,
  }),
  prefixes: Type.Object({
    announced: Count,
    pending: Type.Integer({ minimum: 0, description: 'Not told yet' }),
    received: Type.Integer({ minimum: 0, description: 'Kept to be looked at, not installed' }),
    receivedMore: Type.Boolean({ description: 'It announced more than is kept' }),
  }),
  queuedBytes: Type.Integer({ minimum: 0, description: 'That wait for the peer to read them' }),
  bfd: Type.Optional(BfdSession),
});
export type BgpSession = Type.Static<typeof BgpSession>;

export const BgpPath = Type.Object({
  origin: Type.Enum(['igp', 'egp', 'incomplete']),
  asPath: Type.String({ description: 'AS numbers; a set in braces, confederations in brackets' }),
  nextHops: Type.Array(Address),
  med: Type.Optional(Count),
  localPref: Type.Optional(Count),
  communities: Type.Array(Type.String(), {
    description: 'number:number, large:…, rt:… and soo:…',
  }),
});
export type BgpPath = Type.Static<typeof BgpPath>;

export const BgpRoute = Type.Object({
  prefix: Prefix,
  peers: Type.Array(
    Type.Object({
      peer: Peer,
      wanted: Type.Boolean({ description: 'It should be told; otherwise it will be withdrawn' }),
      told: Type.Boolean(),
      path: Type.Optional(BgpPath),
    }),
  ),
});
export type BgpRoute = Type.Static<typeof BgpRoute>;

export const ReceivedRoute = Type.Object({ peer: Peer, prefix: Prefix, path: BgpPath });
export type ReceivedRoute = Type.Static<typeof ReceivedRoute>;

export const BgpSessionList = Type.Object({ items: Type.Array(BgpSession) });
export type BgpSessionList = Type.Static<typeof BgpSessionList>;
export const BfdSessionList = Type.Object({
  items: Type.Array(BfdSession),
  drops: Type.Record(Type.String(), Count, { description: 'Packets that were refused, by reason' }),
});
export type BfdSessionList = Type.Static<typeof BfdSessionList>;
export const BgpRoutePage = Type.Object({
  items: Type.Array(BgpRoute),
  next: Type.Optional(Type.String()),
});
export const ReceivedRoutePage = Type.Object({
  items: Type.Array(ReceivedRoute),
  next: Type.Optional(Type.String()),
});
