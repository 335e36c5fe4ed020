import type { AdminView } from '../../src/admin/view.ts';
import type {
  Backend,
  ForwardPlan,
  ServiceForwarding,
  VirtualServer,
} from '../../src/domain/forwarding.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import { parsePrefix, prefixContains } from '../../src/domain/prefix.ts';
import type { RoleName } from '../../src/domain/role.ts';
import type { ServiceStatus } from '../../src/domain/service.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/domain/snapshot.ts';
import type { Assignment } from '../../src/plan/allocation/assignment.ts';
import type { PlannedAnnouncement } from '../../src/plan/announcing/plan-address.ts';
import { fakeBgpView } from './fake-bgp-view.ts';
import { fakeInspection } from './fake-inspection.ts';
import { address, backend, pool, service, virtualServer } from './objects.ts';

/** A box with three Services: `web` works, `api` has no healthy backend, `late` got no address. */

export const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

const status = (addresses: string[], changes: Partial<ServiceStatus> = {}): ServiceStatus => ({
  addresses: addresses.map(address),
  hostnames: [],
  ports: [],
  guarded: true,
  pool: 'public',
  conditions: [],
  events: [],
  ...changes,
});

const POOL = pool('public', ['192.0.2.0/28']);

const REFUSAL = {
  reason: 'AllocationFailed',
  message: 'Failed to allocate IP for "shop/late": no available IPs in pool "tiny"',
  field: 'metadata.annotations[metallb.io/address-pool]',
  remedy: 'Add addresses to the pool "tiny", or ask for another pool',
} as const;

const SERVICES = [
  service('api', {
    namespace: 'shop',
    ports: [{ name: '', protocol: 'TCP', port: 443, targetPort: 'tls', nodePort: 0 }],
  }),
  service('late', { namespace: 'shop', poolRequest: 'tiny' }),
  service('web', { namespace: 'shop', affinityTimeoutSec: 60 }),
  service('inner', { namespace: 'shop', type: 'ClusterIP' }),
];

export const SNAPSHOT: Snapshot = {
  ...EMPTY_SNAPSHOT,
  revision: 42,
  services: KeyedMap.from(SERVICES.map((one) => [one.key, one] as const)),
  statuses: KeyedMap.from([
    ['shop/api', status(['192.0.2.2'])],
    [
      'shop/web',
      status(['192.0.2.1'], {
        conditions: [
          { type: 'Ready', status: 'True', reason: 'Serving', message: '', sinceMs: START_MS },
        ],
        events: [
          {
            type: 'Normal',
            reason: 'IPAllocated',
            message: 'Assigned IP ["192.0.2.1"]',
            firstMs: START_MS,
            lastMs: START_MS,
            count: 1,
          },
        ],
      }),
    ],
  ]),
  pools: KeyedMap.from([['public', POOL] as const]),
};

function backendOf(
  id: string,
  use: Backend['use'],
  reason: string,
  fields: Partial<Backend> = {},
): Backend {
  const [host = ''] = id.split(' ');
  const pod = `shop/pod-${host.split('.').at(-1)}`;
  return backend(id, { use, reason, node: 'worker-1', pod, check: `tcp ${id}`, ...fields });
}

function forwarding(key: string, one: VirtualServer, notes: string[]): ServiceForwarding {
  const servable = one.backends.some(({ use }) => use === 'active');
  return {
    service: key,
    addresses: [one.address],
    servers: [one],
    checks: [],
    servable,
    reason: servable ? '' : 'noEndpoints',
    alarms: [],
    notes,
  };
}

const WEB = virtualServer(
  '192.0.2.1 TCP 80',
  [
    backendOf('10.0.0.1 8080', 'active', '', { weight: 3, admit: 115 }),
    backendOf('10.0.0.2 8080', 'draining', 'the Pod is terminating'),
  ],
  {
    service: 'shop/web',
    affinityTimeoutSec: 60,
    scheduler: 'round-robin',
    slowStartSec: 30,
    sourceRanges: ['198.51.100.0/24', '203.0.113.0/24'].flatMap((text) => parsePrefix(text) ?? []),
    newFlowsPerSec: 5000,
    clientNewFlowsPerSec: 50,
    resetDead: true,
  },
);
const API = virtualServer(
  '192.0.2.2 TCP 443',
  [backendOf('10.0.0.9 8443', 'down', 'health check: connection refused')],
  { service: 'shop/api' },
);

export const PLAN: ForwardPlan = {
  revision: 42,
  services: KeyedMap.from([
    ['shop/web', forwarding('shop/web', WEB, [])],
    ['shop/api', forwarding('shop/api', API, ['Port 443: no backend passes its health check'])],
  ]),
  servers: KeyedMap.from([WEB, API].map((one) => [one.id, one] as const)),
  checks: KeyedMap.empty(),
  planned: 0,
  nextStepMs: undefined,
};

const TRAFFIC = {
  newFlows: 1234n,
  inPackets: 5000n,
  inBytes: 400_000n,
  outPackets: 6000n,
  outBytes: 9_000_000n,
};

const assignment = (key: string, texts: string[], refusal?: Assignment['refusal']): Assignment => ({
  service: key,
  addresses: texts.map(address),
  pool: texts.length > 0 ? 'public' : '',
  refusal,
});

/** What a process with these roles would show. */
export function fakeAdminView(roles: readonly RoleName[]): AdminView {
  const view: AdminView = {
    identity: { instance: roles.join('+'), node: 'edge-1', version: '0.1.0', startedMs: START_MS },
    loadBalancer: { class: 'tidegate.io/tidegate', handleUnclassed: true },
    roles: () => roles.map((role) => ({ role, ready: true, reason: '' })),
    snapshot: () => SNAPSHOT,
    problems: () => [
      {
        severity: 'error',
        object: { kind: 'Service', key: 'shop/web' },
        position: { file: 'web.yaml', line: 7, column: 5 },
        field: 'spec.ports[1].port',
        message: '70000 is not a port',
        remedy: 'Write a number from 1 to 65535',
      },
    ],
    events: (limit, object) =>
      [
        {
          sequence: 1,
          atMs: START_MS + 1000,
          severity: 'warning' as const,
          role: 'forwarder' as const,
          reason: 'BackendDown',
          message: 'Backend 10.0.0.9:8443 is down: connection refused',
          object: { kind: 'Service', key: 'shop/api' },
          revision: 41,
        },
      ]
        .filter(({ role }) => roles.includes(role))
        .filter((event) => object === undefined || event.object.key === object)
        .slice(-limit),
  };
  return {
    ...view,
    ...(roles.includes('controller') && { allocation: allocation() }),
    ...(roles.includes('speaker') && { announcing: announcing() }),
    ...(roles.includes('forwarder') && { forwarding: forwardingPart() }),
  };
}

function allocation(): NonNullable<AdminView['allocation']> {
  return {
    counters: () => ({ updates: 3, updateErrors: 1, configLoaded: true, configStale: false }),
    assignments: () =>
      KeyedMap.from(
        [
          assignment('shop/web', ['192.0.2.1']),
          assignment('shop/api', ['192.0.2.2']),
          assignment('shop/late', [], REFUSAL),
        ].map((one) => [one.service, one] as const),
      ),
    pools: () =>
      KeyedMap.from([
        [
          'public',
          {
            name: 'public',
            assignedIPv4: 2n,
            assignedIPv6: 0n,
            availableIPv4: 14n,
            availableIPv6: 0n,
            services: 2,
          },
        ],
      ]),
  };
}

function announcing(): NonNullable<AdminView['announcing']> {
  const announcement = (text: string, reason: string) =>
    [
      text,
      {
        address: address(text),
        announced: reason === '',
        interfaces: reason === '' ? ['eth0'] : [],
        peers: reason === '' ? ['tor-a'] : [],
        reason,
        sinceMs: START_MS,
      },
    ] as const;
  return {
    announcements: () =>
      new Map([announcement('192.0.2.1', ''), announcement('192.0.2.2', 'noEndpoints')]),
    planned: () =>
      KeyedMap.from([
        planned('192.0.2.1', 'shop/web', ''),
        planned('192.0.2.2', 'shop/api', 'noEndpoints'),
      ]),
    counters: () =>
      new Map([
        ['192.0.2.1', { requestsReceived: 3, responsesSent: 3, gratuitousSent: 5, conflicts: 0 }],
      ]),
    interfaces: () => [{ name: 'eth0', mac: '02:00:00:00:00:01', sendErrors: 0 }],
    bgp: fakeBgpView(START_MS),
  };
}

/** By one advertisement, this box being the one. */
function planned(text: string, service: string, reason: string): [string, PlannedAnnouncement] {
  const announcement = {
    address: address(text),
    announce: reason === '',
    reason,
    services: [service],
    interfaces: undefined,
    owner: 'edge-1',
    advertisements: ['metallb-system/lan'],
  };
  return [text, announcement];
}

function forwardingPart(): NonNullable<AdminView['forwarding']> {
  return {
    plan: () => PLAN,
    health: (check) =>
      check === 'tcp 10.0.0.9 8443'
        ? { state: 'down', sinceMs: START_MS, reason: 'connection refused' }
        : { state: 'up', sinceMs: START_MS, reason: '' },
    stateOf: () => ({ state: 'done', revision: 42, tookMs: 1.5 }),
    reachability: () => ({ state: 'resolved' }),
    defaultRouteTo: async () => undefined,
    interfaces: () => [{ name: 'eth0', mode: 'native' }],
    counters: () =>
      new Map([
        ['passed', 10n],
        ['forwarded', 5000n],
        ['drop_no_port', 7n],
        ['drop_ttl', 0n],
      ]),
    serverStats: (id) => (id === WEB.id ? TRAFFIC : undefined),
    backendStats: (id) => (id === WEB.id ? TRAFFIC : undefined),
    usage: () => ({ flows: { used: 17, limit: 1024 } }),
    inspect: fakeInspection(),
    flows: async (filter, limit) => {
      const flows = [1, 2, 3].map((index) => ({
        protocol: 'TCP' as const,
        client: address(`198.51.100.${index}`),
        clientPort: 40_000 + index,
        vip: address('192.0.2.1'),
        vipPort: 80,
        backend: address('10.0.0.1'),
        backendPort: 8080,
        natAddress: address('10.0.0.254'),
        natPort: 1023 + index,
        state: 'established',
        confirmed: true,
        proxied: index === 2,
        idleSec: index,
      }));
      const found = flows.filter(
        (flow) =>
          (filter.client === undefined || prefixContains(filter.client, flow.client)) &&
          (filter.vip === undefined || flow.vip === filter.vip) &&
          (filter.backend === undefined || flow.backend === filter.backend),
      );
      const counts = {
        'half-open': 0,
        established: found.length,
        closing: 0,
        'time-wait': 0,
        udp: 0,
        'udp-stream': 0,
      };
      return { flows: found.slice(0, limit), truncated: found.length > limit, counts };
    },
  };
}
