import Type from 'typebox';

/** Looking inside the data plane: what is asked, and what is answered. */

const AddressText = Type.String({ maxLength: 45, description: 'IPv4 or IPv6 address' });
const port = (value: number) => Type.Integer({ minimum: 0, maximum: 65_535, default: value });
const InterfaceName = Type.String({ minLength: 1, maxLength: 15 });

/** A packet that is made up, and comes in by `interface` (the first port without it). */
export const TraceRequest = Type.Object(
  {
    source: AddressText,
    sourcePort: port(50_000),
    destination: AddressText,
    destinationPort: port(0),
    protocol: Type.Enum(['TCP', 'UDP', 'ICMP']),
    flags: Type.String({
      pattern: '^[FSRPAUEW]{0,8}$',
      default: 'S',
      description: 'TCP flags, a letter each',
    }),
    ttl: Type.Integer({ minimum: 0, maximum: 255, default: 64 }),
    size: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 9000, description: 'Bytes of the IP packet' }),
    ),
    interface: Type.Optional(InterfaceName),
  },
  { additionalProperties: false },
);
export type TraceRequest = Type.Static<typeof TraceRequest>;

export const TraceQuery = Type.Object(
  { interface: Type.Optional(InterfaceName) },
  { additionalProperties: false },
);

const Frame = Type.Object({
  line: Type.String({ description: 'As tcpdump would tell it' }),
  hex: Type.String({ description: 'The whole frame' }),
});

export const TracedPacket = Type.Object({
  outcome: Type.Enum(['forwarded', 'answered', 'dropped', 'passed'], {
    description: 'answered: something of our own goes back',
  }),
  reason: Type.Optional(
    Type.String({ description: 'Why it is not forwarded: the drop counter without "drop_"' }),
  ),
  steps: Type.Array(
    Type.Object({
      name: Type.String(),
      facts: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
    }),
    { description: 'What the program met and decided, in order' },
  ),
  before: Frame,
  after: Type.Optional(Frame),
});
export type TracedPacket = Type.Static<typeof TracedPacket>;

export const Trace = Type.Object({
  interface: Type.String(),
  items: Type.Array(TracedPacket),
  omitted: Type.Integer({ minimum: 0, description: 'Packets of a file beyond the limit' }),
});
export type Trace = Type.Static<typeof Trace>;

const Count = Type.Integer({ minimum: 0 });

export const TopRow = Type.Object({
  service: Type.String(),
  address: Type.String(),
  port: Type.Integer(),
  protocol: Type.Enum(['TCP', 'UDP', 'SCTP']),
  newFlows: Count,
  inPackets: Count,
  inBytes: Count,
  outPackets: Count,
  outBytes: Count,
  drops: Type.Integer({ minimum: 0, description: 'Packets to this port' }),
  flows: Type.Integer({ minimum: 0, description: 'At the last sweep of the flow table' }),
});
export type TopRow = Type.Static<typeof TopRow>;

export const Top = Type.Object({
  atMs: Type.Number({ description: 'Monotonic time of the counts' }),
  items: Type.Array(TopRow),
  packets: Type.Record(Type.String(), Count, { description: 'What became of packets' }),
});
export type Top = Type.Static<typeof Top>;
