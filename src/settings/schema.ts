import Type from 'typebox';
import { parseAddress } from '../domain/address.ts';
import { forwarder } from './forwarder-schema.ts';
import {
  ADDRESS_WORDS,
  absolutePath,
  count,
  duration,
  flag,
  interfaces,
  isAddress,
  labels,
  NAMESPACE_WORDS,
  section,
  text,
} from './schema-parts.ts';

const kubernetes = section("The cluster's API server (docs/kubernetes.md).", {
  kubeconfig: Type.Optional(
    Type.String({
      pattern: '^/',
      is: 'an absolute path',
      remedy: 'Write a path that begins with "/"',
      examples: ['/etc/tidegate/kubernetes/{role}.kubeconfig'],
      description:
        'File that says where the API server is and how to log in. "{role}" stands for the role of the ' +
        'process (of several: joined by "+"), so that each logs in with rights of its own. ' +
        'Without it: the service account of the Pod that this runs in.',
    }),
  ),
  context: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 253,
      is: 'the name of a context',
      remedy: 'Write a name that "kubectl config get-contexts" shows',
      examples: ['production'],
      description: "Context of the kubeconfig. Without it: the file's current one.",
    }),
  ),
  namespace: text({
    ...NAMESPACE_WORDS,
    default: 'tidegate-system',
    description: "Where Tidegate's Leases live: who leads, and the heartbeats of the boxes.",
  }),
  metallbNamespace: text({
    ...NAMESPACE_WORDS,
    default: 'metallb-system',
    description:
      'Where address pools and advertisements (metallb.io) are read, as MetalLB does from its own ' +
      'namespace alone.',
  }),
  idleTimeout: duration({
    default: '60s',
    minimumMs: 1000,
    leastMs: 5000,
    description:
      'A connection on which nothing came for so long is taken for dead. The server is asked to give ' +
      'a sign of life more often than that.',
  }),
  lease: section('How one of several controllers comes to lead.', {
    duration: duration({
      default: '10s',
      minimumMs: 1000,
      leastMs: 3000,
      description: 'Others take over when the leader has not renewed its Lease for so long.',
    }),
    renewDeadline: duration({
      default: '7s',
      minimumMs: 1,
      leastMs: 500,
      description: 'A leader that cannot renew for so long stops writing. Less than the duration.',
    }),
    retryPeriod: duration({
      default: '2s',
      minimumMs: 1,
      leastMs: 100,
      description: 'Time between two renewals or attempts. Less than the deadline.',
    }),
  }),
  heartbeat: section('How a box says that it lives.', {
    interval: duration({
      default: '2s',
      minimumMs: 1,
      leastMs: 100,
      description: 'Time between two heartbeats.',
    }),
    lifetime: duration({
      default: '10s',
      minimumMs: 1000,
      description:
        'A box that has not been heard of for so long counts as dead, and others announce its ' +
        'addresses. More than twice the interval.',
    }),
  }),
});

const cluster = section('Where Services, endpoints and address pools come from.', {
  source: Type.Enum(['files', 'kubernetes'], {
    default: 'files',
    description:
      'Kind of source. "files": a folder of ordinary Kubernetes manifests. "kubernetes": the API ' +
      'server of a cluster.',
  }),
  files: section('The folder of manifests.', {
    path: absolutePath({
      default: '/etc/tidegate/manifests',
      description:
        'Watched with its subfolders; an edit takes effect at once. A file that is broken ' +
        'keeps its last good version in force.',
    }),
  }),
  kubernetes,
});

const loadBalancer = section('Which Services are served, and how by default.', {
  class: text({
    default: 'tidegate.io/tidegate',
    pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$',
    is: 'a load balancer class',
    remedy: 'Write a label-style name such as "example.com/edge"',
    description: 'Services whose spec.loadBalancerClass is this are served.',
  }),
  handleUnclassed: flag({
    default: true,
    description:
      'Also serve Services that name no class. Turn it off where another controller is the ' +
      'default.',
  }),
  scopeSharingKeys: flag({
    default: false,
    description:
      'Whether Services share an address only within one namespace. Off, as in MetalLB: equal ' +
      'sharing keys share across namespaces.',
  }),
  topologyHints: Type.Enum(['ignore', 'honour'], {
    default: 'ignore',
    description:
      'Whether Pods are preferred that their EndpointSlice hints at for the zone of this box (its label ' +
      'topology.kubernetes.io/zone). Ignored: all Pods take their share.',
  }),
  nodeHealth: Type.Enum(['kube-proxy', 'off'], {
    default: 'off',
    description:
      'With "kube-proxy", a Node takes NodePort traffic only while its kube-proxy answers on ' +
      '/healthz (KEP-3836): port 10256, or the healthCheckNodePort of a Service with ' +
      'externalTrafficPolicy Local.',
  }),
  target: Type.Enum(['pod', 'node'], {
    default: 'pod',
    description:
      'Where packets go: "pod" (endpoint addresses; the edge needs a route to the Pods) or ' +
      '"node" (NodePorts). A Service overrides it with the annotation tidegate.io/target.',
  }),
});

const speaker = section('How the network learns where an address lives (role speaker).', {
  interfaces: interfaces(
    'Interfaces that answer ARP and neighbour discovery: names, or patterns with "*" and "?". ' +
      'Empty: every Ethernet interface that is up.',
  ),
  gratuitous: section(
    'Unasked announcements (gratuitous ARP, unsolicited neighbour advertisements), so that ' +
      'neighbours forget the former owner.',
    {
      burst: count({
        default: 5,
        minimum: 1,
        maximum: 50,
        description: 'How many are sent when an address arrives; several, since frames get lost.',
      }),
      spacing: duration({
        default: '1100ms',
        minimumMs: 1,
        description:
          'Time between two of a burst. Above one second, since switches and Linux neighbours ' +
          'ignore a second change within it.',
      }),
      refresh: duration({
        default: '60s',
        minimumMs: 1000,
        description: 'Time between later ones, for neighbours that missed the burst.',
      }),
    },
  ),
  bgp: section('Sessions with routers (BGPPeer objects, docs/bgp.md).', {
    routerId: Type.Optional(
      Type.Refine(
        Type.String({
          is: 'an IPv4 address',
          remedy: 'Write four numbers from 0 to 255 with dots between them',
          examples: ['10.0.0.11'],
          description:
            'Identifies this box in sessions whose BGPPeer has no routerID. Without it: the lowest ' +
            "IPv4 address of the box's interfaces.",
        }),
        (value) => parseAddress(value) !== undefined && value.includes('.') && !value.includes(':'),
      ),
    ),
    port: count({
      default: 179,
      minimum: 1,
      maximum: 65_535,
      description:
        'TCP port that routers connect to. Listened on only where a BGPPeer is passive ' +
        '(annotation tidegate.io/passive).',
    }),
    restartTime: duration({
      default: '120s',
      minimumMs: 1000,
      description:
        'How long peers keep routes while the speaker restarts (graceful restart, for BGPPeers that ' +
        'ask for it).',
    }),
    shutdownWait: duration({
      default: '5s',
      minimumMs: 1,
      description:
        'When the speaker stops or the box is drained, peers are first asked to prefer other routes ' +
        '(GRACEFUL_SHUTDOWN, RFC 8326); so much later the routes are withdrawn.',
    }),
  }),
});

const admin = section(
  'The API that "tidegate status" and monitoring ask. It always listens on a socket below runDir.',
  {
    tcp: Type.Optional(
      Type.Object(
        {
          address: Type.Refine(
            Type.String({
              ...ADDRESS_WORDS,
              default: '127.0.0.1',
              description: 'Address to listen on.',
            }),
            isAddress,
          ),
          port: count({
            default: 9640,
            minimum: 1,
            maximum: 65_533,
            description:
              'TCP port of a process with the role controller; a process that begins with the ' +
              'role speaker listens one higher, with forwarder two higher.',
          }),
          tokenFile: Type.Optional(
            Type.String({
              pattern: '^/',
              is: 'an absolute path',
              remedy: 'Write a path that begins with "/"',
              examples: ['/etc/tidegate/admin-token'],
              description:
                'File with the bearer token that requests must show, 16 characters or more. ' +
                'Required unless the address is a loopback one.',
            }),
          ),
        },
        {
          additionalProperties: false,
          description: 'Also listen on TCP. Without this section there is no TCP listener.',
        },
      ),
    ),
  },
);

const log = section('Log lines, one an event, on standard output.', {
  level: Type.Enum(['debug', 'info', 'warn', 'error'], {
    default: 'info',
    description: 'The least severe level that is written.',
  }),
  format: Type.Enum(['auto', 'json', 'pretty'], {
    default: 'auto',
    description: '"auto" is pretty on a terminal and JSON elsewhere.',
  }),
});

/**
 * The shape of tidegate.yaml: types, validation, defaults and documentation in one place.
 * `description` is the text of `config/tidegate.yaml`; `is` and `remedy` are the words of errors.
 * A property without default is optional, and `examples` shows it in the annotated file.
 */
export const SettingsFile = section('Settings of Tidegate.', {
  node: Type.Optional(
    Type.String({
      pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$',
      is: 'a node name',
      remedy: 'Write lower-case letters, digits, "-" and ".", at most 253',
      examples: ['edge-1'],
      description: 'Name of this box in messages and statuses. Without it: the host name.',
    }),
  ),
  labels: labels(
    'Labels of this box, each as "name=value": selectors of advertisements see them. Its zone is ' +
      'topology.kubernetes.io/zone.',
  ),
  stateDir: absolutePath({
    default: '/var/lib/tidegate',
    description: 'What must outlive a reboot: allocated addresses, conditions, events.',
  }),
  runDir: absolutePath({
    default: '/run/tidegate',
    description: 'What lives until the next reboot: admin sockets, reports between the roles.',
  }),
  cluster,
  loadBalancer,
  speaker,
  forwarder,
  admin,
  log,
});

/** The file as written, with defaults filled in. */
export type SettingsFile = Type.Static<typeof SettingsFile>;
