import Type from 'typebox';
import { SCHEDULERS } from '../domain/scheduler.ts';
import {
  ADDRESS_WORDS,
  absolutePath,
  count,
  duration,
  flag,
  interfaces,
  isAddress,
  section,
  text,
} from './schema-parts.ts';
import { parsePortRange, parseStatusRanges } from './values.ts';

const limits = section(
  'Sizes of the tables in the kernel. Memory is reserved at the start. Changing a size needs ' +
    '"tidegate detach" first.',
  {
    flows: Type.Refine(
      Type.Integer({
        default: 1_048_576,
        minimum: 1024,
        maximum: 134_217_728,
        is: 'a power of two from 1024 to 134217728',
        remedy: 'Write 1048576 or another power of two',
        description:
          'Flows at one time, a power of two. One flow takes 89 bytes (64 its entry, 16 the way ' +
          'back, 8 for flows opened by a SYN cookie, 1 a hint): 89 MiB by default.',
      }),
      (value) => Number.isInteger(Math.log2(value)),
    ),
    servers: count({
      default: 65_536,
      minimum: 64,
      maximum: 1_048_576,
      description: 'Served (address, protocol, port) triples.',
    }),
    backends: count({
      default: 262_144,
      minimum: 64,
      maximum: 4_194_304,
      description: 'Backends over all servers; one that serves two ports counts twice.',
    }),
    affinity: count({
      default: 262_144,
      minimum: 64,
      maximum: 16_777_216,
      description: 'Clients remembered for sessionAffinity: ClientIP; the least recent goes first.',
    }),
    fragments: count({
      default: 16_384,
      minimum: 64,
      maximum: 4_194_304,
      description:
        'Datagrams in fragments that are on their way at one time; the least recent goes first.',
    }),
    sourceRanges: count({
      default: 131_072,
      minimum: 64,
      maximum: 4_194_304,
      description:
        'Entries of loadBalancerSourceRanges, counted once for each Service that lists them.',
    }),
  },
);

const timeouts = section('How long a flow without packets is remembered, in whole seconds.', {
  tcpEstablished: duration({
    default: '8000s',
    minimumMs: 1000,
    description: 'Longer than the two hours between TCP keep-alives, so that those keep a flow.',
  }),
  tcpHalfOpen: duration({
    default: '30s',
    minimumMs: 1000,
    description: 'A SYN without answer. Short, since a SYN flood fills the table with these.',
  }),
  tcpClosing: duration({
    default: '30s',
    minimumMs: 1000,
    description: "After both FINs, the client's first, or a RST: for retransmissions.",
  }),
  tcpTimeWait: duration({
    default: '65s',
    minimumMs: 1000,
    description:
      "After both FINs, the backend's first. It remembers the port for 60 seconds (TIME_WAIT), and " +
      'another client that came from it within that time would wait a second.',
  }),
  udp: duration({
    default: '30s',
    minimumMs: 1000,
    description: 'UDP that was not answered yet.',
  }),
  udpStream: duration({
    default: '120s',
    minimumMs: 1000,
    description: 'UDP with packets both ways. Both as in Linux connection tracking.',
  }),
});

const flood = section('What holds floods in check. Rates are per second.', {
  newFlows: count({
    default: 50_000,
    minimum: 100,
    maximum: 100_000_000,
    description:
      'New flows on each CPU. Beyond it a TCP SYN is answered with a SYN cookie and the ' +
      'connection proxied, which costs no memory until the client has shown where it is; a new ' +
      'UDP flow is dropped. Established flows are never touched.',
  }),
  repliesPerSecond: count({
    default: 1000,
    minimum: 0,
    maximum: 1_000_000,
    description: 'ICMP errors and TCP resets of our own on each CPU.',
  }),
  clientNewFlows: count({
    default: 0,
    minimum: 0,
    maximum: 10_000_000,
    description:
      'New flows from one client to one port of a VIP; 0 for no limit. A Service overrides it ' +
      'with the annotation tidegate.io/client-new-flows-per-second.',
  }),
  clientPrefix4: count({
    default: 32,
    minimum: 8,
    maximum: 32,
    description: 'What counts as one client, in IPv4: so many bits of its address.',
  }),
  clientPrefix6: count({
    default: 64,
    minimum: 16,
    maximum: 128,
    description: 'The same in IPv6, where one client usually has a whole /64.',
  }),
});

const health = section(
  'Health checks where a Service has no tidegate.io/health-check annotations.',
  {
    check: Type.Enum(['none', 'tcp', 'http', 'https', 'icmp'], {
      default: 'tcp',
      description: 'Kind. "none" trusts the readiness that the cluster reports.',
    }),
    interval: duration({
      default: '2s',
      minimumMs: 1,
      description: 'Time between two checks of a backend.',
    }),
    timeout: duration({
      default: '1s',
      minimumMs: 1,
      description: 'Time after which a check has failed; at most the interval.',
    }),
    rise: count({
      default: 2,
      minimum: 1,
      maximum: 100,
      description: 'Successes in a row that bring a backend back.',
    }),
    fall: count({
      default: 3,
      minimum: 1,
      maximum: 100,
      description: 'Failures in a row that take it out: by default within about 6 seconds.',
    }),
    path: text({
      default: '/',
      pattern: '^/[\\x21-\\x7e]*$',
      is: 'a request path',
      remedy: 'Write a path that begins with "/", percent-encoded, without spaces',
      description: 'What an http or https check asks for.',
    }),
    expectedStatus: Type.Refine(
      Type.String({
        default: '200-399',
        is: 'a list of HTTP statuses',
        remedy: 'Write statuses or ranges from 100 to 599, for example "200-299,404"',
        description: 'Answers that count as healthy: statuses and ranges, separated by commas.',
      }),
      (value) => parseStatusRanges(value) !== undefined,
    ),
    fallback: Type.Enum(['fail-open', 'fail-closed'], {
      default: 'fail-open',
      description:
        'When every backend of a port fails: use them all (checks are more often wrong than ' +
        'all backends are dead), or none.',
    }),
  },
);

/** `forwarder` of tidegate.yaml. */
export const forwarder = section('The forwarding core (role forwarder).', {
  interfaces: interfaces(
    'Interfaces that carry clients or backends; XDP is attached to each. Empty: every Ethernet ' +
      'interface that is up and has an address. A VLAN device stands for its parent, a member of ' +
      'a bond or bridge for its master.',
  ),
  xdpMode: Type.Enum(['auto', 'native', 'generic'], {
    default: 'auto',
    description:
      '"native" runs in the driver and is fast; "generic" works everywhere; "auto" tries ' +
      'native first.',
  }),
  localClients: flag({
    default: true,
    description:
      'Programs on this box reach its VIPs, too: a pair of interfaces (tidegate0, tidegate1), a ' +
      'routing table and a rule are made for them, which nothing from outside uses.',
  }),
  podRoutes: Type.Enum(['auto', 'off'], {
    default: 'off',
    description:
      'With "auto", routes to the Pods of each Node (Node.spec.podCIDRs) by way of its InternalIP are ' +
      'kept in the kernel while the forwarder runs. For clusters whose Nodes route Pods and do not ' +
      'announce them.',
  }),
  bpfDir: absolutePath({
    default: '/sys/fs/bpf/tidegate',
    description:
      'Where programs and maps are pinned, so that packets flow while Tidegate restarts. Must ' +
      'be in a bpf file system.',
  }),
  natAddresses: Type.Array(Type.Refine(Type.String(ADDRESS_WORDS), isAddress), {
    default: [],
    uniqueItems: true,
    maxItems: 64,
    description:
      'Addresses that this box holds and packets to backends come from. Empty: the address of ' +
      'the interface towards the backend. More addresses allow more flows to one backend.',
  }),
  natPorts: Type.Refine(
    Type.String({
      default: '1024-32767',
      is: 'a range of ports',
      remedy: 'Write "first-last" with ports from 1 to 65535, for example "1024-32767"',
      description:
        "Source ports towards backends. Must not overlap the box's own " +
        'net.ipv4.ip_local_port_range (32768-60999 by default).',
    }),
    (value) => parsePortRange(value) !== undefined,
  ),
  scheduler: Type.Enum([...SCHEDULERS], {
    default: 'maglev',
    description:
      'How the backend of a new flow is chosen: "maglev" (by a hash of client address and port, ' +
      'the same on every box), "source-hash" (of the address alone), "round-robin" or ' +
      '"least-connections". A Service overrides it with the annotation tidegate.io/scheduler.',
  }),
  unservedPorts: Type.Enum(['reject', 'drop'], {
    default: 'reject',
    description:
      'What a packet to a port that no Service serves gets: "reject" answers (a TCP reset, or ' +
      'ICMP port unreachable), so that clients fail at once; "drop" says nothing.',
  }),
  unknownFlows: Type.Enum(['reset', 'drop'], {
    default: 'reset',
    description:
      'What TCP in mid-stream gets that no flow knows, such as after a fail-over: "reset", so ' +
      'that the client connects anew at once, or "drop", and it waits for its timeout.',
  }),
  deadBackends: Type.Enum(['leave', 'reset'], {
    default: 'leave',
    description:
      'What becomes of TCP connections whose backend fails its health check: "leave" (it may ' +
      'come back) or "reset" (clients connect anew at once). A Service overrides it with the ' +
      'annotation tidegate.io/dead-backend.',
  }),
  flood,
  neighbours: section('Next hops towards backends and clients.', {
    probe: duration({
      default: '400ms',
      minimumMs: 1,
      leastMs: 50,
      description:
        'How often each is asked whether it still is there. One that moved is followed within ' +
        'about 1.8 times this, one that is lost known within about 2.5 times; with more than 400 ' +
        'next hops both take longer.',
    }),
  }),
  limits,
  timeouts,
  health,
});
