import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import type { Kind } from '../../../src/cluster/decode/cluster-object.ts';
import type { KubeObject } from '../../../src/cluster/kubernetes/kube-object.ts';
import { createFeed } from '../../../src/cluster/kubernetes/reading/feed.ts';
import { openMemory } from '../../../src/cluster/kubernetes/reading/remembered.ts';
import { createKindReader } from '../../../src/cluster/kubernetes/reflector/kind-reader.ts';
import { createServiceStatuses } from '../../../src/cluster/kubernetes/status/service-statuses.ts';
import { ApiError } from '../../../src/cluster/kubernetes/transport/api-error.ts';
import { createStore } from '../../../src/cluster/store.ts';
import type { Problem } from '../../../src/domain/problem.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { recordingLog } from '../../support/recording-log.ts';

const folder = await mkdtemp(join(tmpdir(), 'tidegate-hostile-'));
test.after.always(() => rm(folder, { recursive: true }));

const MAX_PROBLEMS = 20;
const MAX_TEXT = 1000;
const SINCE = '2026-01-31T12:00:00Z';
const HUGE = 'x'.repeat(100_000);
/** Stands for what is deeper than any function that calls itself gets. */
const DEEP = '@deep';
const DEEP_TEXT = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;

const meta = (name: string, more: object = {}) => ({
  name,
  uid: `uid-${name}`,
  resourceVersion: '10',
  creationTimestamp: SINCE,
  labels: { app: 'web' },
  annotations: { 'metallb.io/ip-allocated-from-pool': 'pool', note: 'text' },
  ...more,
});
const here = { namespace: 'default' };
const selector = {
  matchLabels: { zone: 'a' },
  matchExpressions: [{ key: 'rack', operator: 'In', values: ['1'] }],
};

/** One good object of each kind, with the fields that we read. */
const OBJECTS = {
  Service: {
    metadata: meta('web', { ...here, finalizers: ['service.kubernetes.io/load-balancer-cleanup'] }),
    spec: {
      type: 'LoadBalancer',
      clusterIPs: ['10.96.0.7'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      selector: { app: 'web' },
      ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080, nodePort: 30_080 }],
      loadBalancerSourceRanges: ['10.0.0.0/8'],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
    },
    status: {
      loadBalancer: {
        ingress: [
          { ip: '192.0.2.1', ipMode: 'VIP', ports: [{ port: 80, protocol: 'TCP', error: 'No' }] },
          { hostname: 'web.example' },
        ],
      },
      conditions: [
        { type: 'A', status: 'True', reason: 'B', message: 'c', lastTransitionTime: SINCE },
      ],
    },
  },
  EndpointSlice: {
    metadata: meta('web-1', { ...here, labels: { 'kubernetes.io/service-name': 'web' } }),
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: [
      {
        addresses: ['10.1.0.1'],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: 'node-1',
        zone: 'a',
        hints: { forZones: [{ name: 'a' }], forNodes: [{ name: 'node-1' }] },
        targetRef: { kind: 'Pod', name: 'web-1', namespace: 'default' },
      },
    ],
  },
  Node: {
    metadata: meta('node-1'),
    spec: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'], taints: [{ key: 'a' }] },
    status: {
      addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  },
  Namespace: { metadata: meta('default') },
  Pod: {
    metadata: meta('web-1', { ...here, labels: { 'tidegate.io/weight': '5' } }),
    spec: { nodeName: 'node-1' },
  },
  IPAddressPool: {
    metadata: meta('pool', here),
    spec: {
      addresses: ['192.0.2.0/24', '198.51.100.1-198.51.100.9'],
      autoAssign: true,
      serviceAllocation: {
        priority: 5,
        namespaces: ['default'],
        namespaceSelectors: [selector],
        serviceSelectors: [selector],
      },
    },
  },
  L2Advertisement: {
    metadata: meta('all', here),
    spec: {
      ipAddressPools: ['pool'],
      ipAddressPoolSelectors: [selector],
      nodeSelectors: [selector],
      interfaces: ['eth0'],
      serviceSelectors: [selector],
      preferredNodeSelectors: [{ weight: 5, preference: selector }],
    },
  },
  EdgeNode: {
    metadata: meta('edge-1'),
    spec: { drain: false },
    status: {
      conditions: [{ type: 'Ready', status: 'True', reason: 'Ready' }],
      withheld: [{ address: '192.0.2.1', service: 'default/web', reason: 'A', message: 'b' }],
    },
  },
  ServiceL2Status: {
    metadata: meta('l2-1', { ...here, ownerReferences: [{ apiVersion: 'v1', kind: 'Pod' }] }),
    status: {
      node: 'edge-1',
      serviceName: 'web',
      serviceNamespace: 'default',
      interfaces: [{ name: 'eth0' }],
    },
  },
  BGPPeer: {
    metadata: meta('tor', {
      ...here,
      annotations: { 'tidegate.io/passive': 'true', 'tidegate.io/ttl-security': '1' },
    }),
    spec: {
      myASN: 64_500,
      peerASN: 64_501,
      localASN: 64_502,
      peerAddress: '192.0.2.1',
      sourceAddress: '192.0.2.2',
      peerPort: 179,
      routerID: '192.0.2.2',
      holdTime: '90s',
      keepaliveTime: '30s',
      connectTime: '10s',
      ebgpMultiHop: true,
      vrf: 'red',
      nodeSelectors: [selector],
      passwordSecret: { name: 'tor' },
      bfdProfile: 'fast',
      enableGracefulRestart: true,
      dualStackAddressFamily: true,
    },
  },
  BGPAdvertisement: {
    metadata: meta('all', {
      ...here,
      annotations: {
        'tidegate.io/med': '5',
        'tidegate.io/next-hop': '192.0.2.9,2001:db8::9',
        'tidegate.io/extended-communities': 'rt:64500:1',
      },
    }),
    spec: {
      ipAddressPools: ['pool'],
      ipAddressPoolSelectors: [selector],
      nodeSelectors: [selector],
      peers: ['tor'],
      aggregationLength: 24,
      aggregationLengthV6: 64,
      localPref: 200,
      communities: ['64500:1', 'large:64500:1:2', 'mine'],
    },
  },
  BFDProfile: {
    metadata: meta('fast', here),
    spec: { receiveInterval: 50, transmitInterval: 50, detectMultiplier: 3, passiveMode: true },
  },
  Community: {
    metadata: meta('names', here),
    spec: { communities: [{ name: 'mine', value: '64500:1' }] },
  },
  ServiceBGPStatus: {
    metadata: meta('bgp-1', { ...here, ownerReferences: [{ apiVersion: 'v1', kind: 'Pod' }] }),
    status: {
      node: 'edge-1',
      serviceName: 'web',
      serviceNamespace: 'default',
      peers: ['tor'],
    },
  },
} satisfies Partial<Record<Kind, KubeObject>>;

const garbage: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  fc.constantFrom(
    null,
    '',
    0,
    -1,
    1e308,
    '99999999999999999999',
    '-1',
    HUGE,
    DEEP,
    [null],
    [[]],
    [{}],
    { toString: 1, valueOf: null },
    JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}'),
    { [HUGE]: HUGE },
    Array.from({ length: 10_000 }, (_, at) => ({ type: `T${at}`, status: 'True' })),
    Object.fromEntries(Array.from({ length: 2000 }, (_, at) => [`bad label ${at}`, `value ${at}`])),
  ),
);

interface Mutation {
  /** Of the places of the object, whatever their number. */
  readonly place: number;
  readonly value: unknown;
  readonly isRemoval: boolean;
}

const mutations = fc.array(
  fc.record({ place: fc.nat(1000), value: garbage, isRemoval: fc.boolean() }),
  { minLength: 1, maxLength: 3 },
);

type Container = Record<string | number, unknown>;

function placesOf(value: unknown): [Container, string | number][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.keys(value).flatMap((key): [Container, string | number][] => [
    [value as Container, key],
    ...placesOf((value as Container)[key]),
  ]);
}

/** The text of the object with some of its places spoiled; what is where it belongs stays. */
function spoil(object: KubeObject, version: number, some: readonly Mutation[]): string {
  const spoiled = structuredClone(object) as unknown as Container;
  (spoiled['metadata'] as Container)['resourceVersion'] = String(version);
  for (const { place, value, isRemoval } of some) {
    const places = placesOf(spoiled).slice(0, 200);
    const [container, key] = places[place % places.length] ?? [spoiled, 'metadata'];
    if (isRemoval) delete container[key];
    else container[key] = value;
  }
  return JSON.stringify(spoiled).replaceAll(`"${DEEP}"`, DEEP_TEXT);
}

async function world(kind: Kind) {
  const store = createStore();
  const clock = fakeClock();
  const breathe = () => undefined;
  const log = recordingLog();
  const memory = await openMemory({ path: join(folder, kind), breathe, clock, log });
  const statuses = createServiceStatuses({ store, clock, eventsOf: () => [] });
  const feed = createFeed({
    ...{ kind, store, clock, breathe, memory },
    confirm: async () => undefined,
    onRestored: () => undefined,
    ...(kind === 'Service' && { statuses }),
  });
  const reader = createKindReader(kind, `/${kind}`, feed.trim);
  return { store, feed, reader, memory };
}

function textsOf({ message, remedy, field = '', object }: Problem): string[] {
  return [message, remedy, field, object?.key ?? ''];
}

for (const [kind, good] of Object.entries(OBJECTS) as [Kind, KubeObject][]) {
  test(`whatever comes as ${kind}, it throws nothing, and the last good one stays`, async (t) => {
    const { store, feed, reader, memory } = await world(kind);
    const list = async () => feed.sink.replace([reader.item(JSON.stringify(good))], '10', false);
    const watch = (type: string, object: string) => {
      const message = reader.line(
        `{"type":"${type}","object":{"kind":"${kind}",${object.slice(1)}}`,
      );
      if (message.kind === 'event') feed.sink.apply([message.event]);
    };
    await list();
    t.deepEqual(store.publish().problems, []);
    const [key = ''] = feed.keys();
    let version = 11;
    await fc.assert(
      fc.asyncProperty(mutations, async (some) => {
        version += 1;
        try {
          watch('MODIFIED', spoil(good, version, some));
        } catch (error) {
          // Without metadata it is no object, and the answer is no answer.
          if (!(error instanceof ApiError) || error.reason !== 'Garbage') throw error;
        }
        const { problems } = store.publish();
        const isThere = [...feed.keys()].includes(key);
        const texts = problems.flatMap(textsOf).map(({ length }) => length);
        const isBounded = Math.max(0, ...texts) <= MAX_TEXT;
        const isFew = problems.length <= MAX_PROBLEMS * feed.size;
        await list();
        if (!isThere || !isBounded || !isFew)
          throw new Error(JSON.stringify({ isThere, isBounded, isFew, texts }));
      }),
      { numRuns: 250, seed: 5, includeErrorInReport: true },
    );
    t.deepEqual(store.publish().problems, []);
    t.deepEqual([...feed.keys()], [key]);
    t.false('polluted' in {});
    await memory.close();
  });
}
