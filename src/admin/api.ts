import Type from 'typebox';
import { SCHEDULERS } from '../domain/scheduler.ts';

/**
 * The admin API's answers: schemas (for serialising and the OpenAPI document) and types (for the
 * routes and the command line) in one. Addresses are text, times RFC 3339, counts beyond 2^53
 * decimal text. What a process does not know is absent: each role answers for its own part.
 */
const Address = Type.String({ description: 'IPv4 or IPv6 address' });
const Time = Type.String({ description: 'RFC 3339' });
const Count = Type.Integer({ minimum: 0 });
const Key = Type.String({ description: 'namespace/name' });
const Protocol = Type.Enum(['TCP', 'UDP', 'SCTP']);

export const ErrorBody = Type.Object({
  error: Type.String({ description: 'A word for programs' }),
  message: Type.String(),
  remedy: Type.String(),
});

export const Traffic = Type.Object({
  newFlows: Count,
  inPackets: Type.Integer({ minimum: 0, description: 'From clients' }),
  inBytes: Count,
  outPackets: Type.Integer({ minimum: 0, description: 'To clients' }),
  outBytes: Count,
});
export type Traffic = Type.Static<typeof Traffic>;

export const Problem = Type.Object({
  severity: Type.Enum(['error', 'warning']),
  object: Type.Optional(Type.String({ description: 'Kind and key' })),
  file: Type.Optional(Type.String()),
  line: Type.Optional(Type.Integer()),
  column: Type.Optional(Type.Integer()),
  field: Type.Optional(Type.String()),
  message: Type.String(),
  remedy: Type.String(),
});
export type Problem = Type.Static<typeof Problem>;

export const Event = Type.Object({
  sequence: Type.Integer({ description: 'Counts from 1 in each process' }),
  at: Time,
  severity: Type.Enum(['info', 'warning']),
  role: Type.String(),
  reason: Type.String(),
  message: Type.String(),
  object: Type.Optional(Type.String({ description: 'Kind and key' })),
  revision: Type.Optional(Type.Integer()),
});
export type Event = Type.Static<typeof Event>;

const Refusal = Type.Object({
  reason: Type.String(),
  message: Type.String(),
  field: Type.String(),
  remedy: Type.String(),
});

const Announcement = Type.Object({
  address: Address,
  announced: Type.Boolean({ description: 'By either way' }),
  interfaces: Type.Array(Type.String(), { description: 'That answer ARP and ND for it' }),
  peers: Type.Array(Type.String(), { description: 'BGPPeers that have a route to it' }),
  reason: Type.String({ description: 'Why not; empty when announced' }),
  since: Time,
  owner: Type.Optional(
    Type.String({
      description: 'The box that is chosen for it; absent when no box is known to be at work',
    }),
  ),
  advertisements: Type.Optional(
    Type.Array(Key, { description: 'By which this box may announce it, of both ways' }),
  ),
  bgp: Type.Optional(
    Type.Object({
      peers: Type.Array(Type.String(), { description: 'BGPPeers that should have a route to it' }),
      prefixes: Type.Array(Type.String()),
      reason: Type.String({ description: 'Why it is not announced by BGP; empty when it is' }),
    }),
  ),
});
export type Announcement = Type.Static<typeof Announcement>;

const Usable = Type.Object({ usable: Count, total: Count });

const summary = {
  service: Key,
  ours: Type.Boolean({ description: 'Of type LoadBalancer and of our class' }),
  addresses: Type.Array(Address),
  pool: Type.Optional(Type.String()),
  refusal: Type.Optional(Refusal),
  servable: Type.Optional(Type.Boolean()),
  reason: Type.Optional(Type.String({ description: 'Why it is not servable' })),
  backends: Type.Optional(Usable),
  announcements: Type.Optional(Type.Array(Announcement)),
};

export const ServiceSummary = Type.Object(summary);
export type ServiceSummary = Type.Static<typeof ServiceSummary>;

export const Backend = Type.Object({
  id: Type.String(),
  address: Address,
  port: Type.Integer(),
  weight: Type.Integer({ minimum: 0, description: 'Relative; 0 takes no new flows' }),
  sharePercent: Type.Optional(
    Type.Integer({ description: 'During slow start: how much of its share it takes' }),
  ),
  use: Type.Enum(['active', 'draining', 'down']),
  reason: Type.String({ description: 'Why it is not used, or is used all the same' }),
  node: Type.Optional(Type.String()),
  pod: Type.Optional(Key),
  health: Type.Optional(
    Type.Object({
      state: Type.Enum(['up', 'down', 'unanswered']),
      since: Type.Optional(Time),
      reason: Type.String(),
    }),
  ),
  nextHop: Type.Optional(
    Type.Object({
      state: Type.Enum(['resolved', 'pending', 'unreachable']),
      reason: Type.String({ description: 'Why packets do not get there, or may not' }),
    }),
  ),
  traffic: Type.Optional(Traffic),
});
export type Backend = Type.Static<typeof Backend>;

export const Server = Type.Object({
  id: Type.String(),
  address: Address,
  protocol: Protocol,
  port: Type.Integer(),
  scheduler: Type.Enum([...SCHEDULERS]),
  affinitySeconds: Type.Integer({ description: '0 means no ClientIP affinity' }),
  slowStartSeconds: Type.Number({ minimum: 0, description: '0 means none' }),
  sourceRanges: Type.Integer({ minimum: 0, description: 'How many; 0 lets everybody in' }),
  newFlowsPerSecond: Type.Integer({ minimum: 0, description: '0 means no limit' }),
  clientNewFlowsPerSecond: Type.Integer({ minimum: 0, description: 'Of one client; 0: no limit' }),
  resetDead: Type.Boolean({ description: 'TCP flows of failing backends are reset' }),
  installed: Type.Optional(
    Type.Object({
      state: Type.Enum(['done', 'pending', 'failed']),
      revision: Type.Integer(),
      error: Type.Optional(Type.String()),
      tookMs: Type.Optional(Type.Number()),
    }),
  ),
  backends: Type.Array(Backend),
  traffic: Type.Optional(Traffic),
});
export type Server = Type.Static<typeof Server>;

const Condition = Type.Object({
  type: Type.String(),
  status: Type.String(),
  reason: Type.String(),
  message: Type.String(),
  since: Time,
});

const StatusEvent = Type.Object({
  type: Type.Enum(['Normal', 'Warning']),
  reason: Type.String(),
  message: Type.String(),
  first: Time,
  last: Time,
  count: Type.Integer(),
});

export const ServiceDetail = Type.Object({
  ...summary,
  spec: Type.Object({
    type: Type.String(),
    class: Type.Optional(Type.String()),
    families: Type.Array(Type.Integer()),
    ipFamilyPolicy: Type.String(),
    ports: Type.Array(
      Type.Object({
        name: Type.String(),
        protocol: Protocol,
        port: Type.Integer(),
        targetPort: Type.String(),
        nodePort: Type.Integer(),
      }),
    ),
    externalTrafficPolicy: Type.String(),
    affinitySeconds: Type.Integer(),
    selector: Type.String(),
    target: Type.Optional(Type.String()),
    requestedAddresses: Type.Optional(Type.Array(Address)),
    requestedPool: Type.Optional(Type.String()),
    sharingKey: Type.Optional(Type.String()),
  }),
  conditions: Type.Array(Condition),
  statusEvents: Type.Array(StatusEvent),
  notes: Type.Optional(Type.Array(Type.String())),
  servers: Type.Optional(Type.Array(Server)),
  events: Type.Array(Event),
  problems: Type.Array(Problem),
});
export type ServiceDetail = Type.Static<typeof ServiceDetail>;

export const Pool = Type.Object({
  name: Type.String(),
  addresses: Type.Array(Type.String()),
  autoAssign: Type.Boolean(),
  avoidBuggyIPs: Type.Boolean(),
  usage: Type.Optional(
    Type.Object({
      assignedIPv4: Type.String(),
      assignedIPv6: Type.String(),
      availableIPv4: Type.String(),
      availableIPv6: Type.String(),
      services: Count,
    }),
  ),
});
export type Pool = Type.Static<typeof Pool>;

export const Vip = Type.Object({
  address: Address,
  services: Type.Array(Key),
  pool: Type.Optional(Type.String()),
  serving: Type.Optional(
    Type.Object({ servable: Type.Boolean(), reason: Type.String(), ...Usable.properties }),
  ),
  announcement: Type.Optional(Announcement),
  answers: Type.Optional(
    Type.Object({
      requestsReceived: Count,
      responsesSent: Count,
      gratuitousSent: Count,
      conflicts: Type.Integer({ minimum: 0, description: 'Others claimed the address' }),
    }),
  ),
  traffic: Type.Optional(Traffic),
});
export type Vip = Type.Static<typeof Vip>;

export const Flow = Type.Object({
  protocol: Protocol,
  client: Address,
  clientPort: Type.Integer(),
  vip: Address,
  vipPort: Type.Integer(),
  backend: Address,
  backendPort: Type.Integer(),
  natAddress: Address,
  natPort: Type.Integer(),
  state: Type.String(),
  confirmed: Type.Boolean({ description: 'The client is where it says it is' }),
  proxied: Type.Boolean({ description: 'Opened by a SYN cookie' }),
  idleSeconds: Type.Integer(),
});
export type Flow = Type.Static<typeof Flow>;

export const BackendRow = Type.Object({
  service: Key,
  server: Type.String(),
  ...Backend.properties,
});
export type BackendRow = Type.Static<typeof BackendRow>;

/** A page of a list: ask again with `after=next` while `next` is there. */
export const ServicePage = Type.Object({
  items: Type.Array(ServiceSummary),
  next: Type.Optional(Type.String()),
});
export type ServicePage = Type.Static<typeof ServicePage>;
export const VipPage = Type.Object({
  items: Type.Array(Vip),
  next: Type.Optional(Type.String()),
});
export type VipPage = Type.Static<typeof VipPage>;
export const BackendPage = Type.Object({
  items: Type.Array(BackendRow),
  next: Type.Optional(Type.String()),
});
export type BackendPage = Type.Static<typeof BackendPage>;
export const PoolList = Type.Object({ items: Type.Array(Pool) });
export type PoolList = Type.Static<typeof PoolList>;
export const EventList = Type.Object({ items: Type.Array(Event) });
export type EventList = Type.Static<typeof EventList>;
export const FlowList = Type.Object({
  items: Type.Array(Flow),
  truncated: Type.Boolean({ description: 'There are more flows than the limit' }),
  counts: Type.Record(Type.String(), Count, { description: 'All that match, by state' }),
});
export type FlowList = Type.Static<typeof FlowList>;
export const Counters = Type.Object({
  packets: Type.Record(Type.String(), Count, { description: 'What became of packets' }),
});
export type Counters = Type.Static<typeof Counters>;

export const Status = Type.Object({
  instance: Type.String({ description: 'Roles of this process, joined by "+"' }),
  node: Type.String(),
  version: Type.String(),
  startedAt: Time,
  revision: Type.Integer({ description: 'Of the newest snapshot of the cluster' }),
  ready: Type.Boolean(),
  roles: Type.Array(
    Type.Object({ role: Type.String(), ready: Type.Boolean(), reason: Type.String() }),
  ),
  problems: Type.Array(Problem),
  services: Type.Object({
    ours: Count,
    withAddress: Count,
    refused: Type.Optional(Count),
  }),
  cluster: Type.Optional(
    Type.Object(
      {
        server: Type.String(),
        synced: Type.Boolean({ description: 'All that is needed has been read' }),
        remembered: Type.Boolean({ description: 'What an earlier process saw is in force' }),
        troubleSeconds: Type.Number({ description: 'For how long something cannot be read' }),
        leads: Type.Boolean({ description: 'This process may write' }),
        leader: Type.String({ description: 'Who may; empty when not known here' }),
        kinds: Type.Array(
          Type.Object({
            kind: Type.String(),
            installed: Type.Boolean(),
            synced: Type.Boolean(),
            objects: Count,
            contactAgeSeconds: Type.Optional(Type.Number()),
            failures: Count,
            error: Type.String({ description: 'Why the last of the failures' }),
          }),
        ),
      },
      { description: 'How the API server is read' },
    ),
  ),
  flows: Type.Optional(Type.Object({ used: Count, limit: Count })),
  drops: Type.Optional(
    Type.Record(Type.String(), Count, { description: 'Dropped packets by reason, without zeros' }),
  ),
  links: Type.Optional(
    Type.Array(Type.Object({ name: Type.String(), mode: Type.String() }), {
      description: 'Interfaces that carry the XDP program',
    }),
  ),
  ports: Type.Optional(
    Type.Array(
      Type.Object({ name: Type.String(), mac: Type.String(), sendErrors: Type.Integer() }),
      { description: 'Interfaces that announce' },
    ),
  ),
  bgp: Type.Optional(Type.Object({ sessions: Count, established: Count })),
});
export type Status = Type.Static<typeof Status>;

export const Readiness = Type.Object({
  ready: Type.Boolean(),
  roles: Type.Array(
    Type.Object({ role: Type.String(), ready: Type.Boolean(), reason: Type.String() }),
  ),
});
export type Readiness = Type.Static<typeof Readiness>;
