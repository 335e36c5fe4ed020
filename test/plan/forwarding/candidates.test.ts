import test from 'ava';
import fc from 'fast-check';
import { formatAddress } from '../../../src/domain/address.ts';
import type { Endpoint, EndpointSlice } from '../../../src/domain/endpoints.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import type { Node } from '../../../src/domain/node.ts';
import type { Pod } from '../../../src/domain/pod.ts';
import type { Service } from '../../../src/domain/service.ts';
import { nodeCandidates, podCandidates } from '../../../src/plan/forwarding/candidates.ts';
import { endpoint, node, pod, service, servicePort } from '../../support/objects.ts';

const HTTP = servicePort({ name: 'http', nodePort: 30080 });
const gone = { ready: false, serving: true, terminating: true };

let slices = 0;
function slice(endpoints: readonly Endpoint[], fields: Partial<EndpointSlice> = {}): EndpointSlice {
  const ports = [{ name: 'http', protocol: 'TCP' as const, port: 8080 }];
  slices += 1;
  return { key: `default/s${slices}`, family: 4, ports, endpoints, ...fields };
}

interface World {
  readonly service?: Partial<Service>;
  readonly slices: readonly EndpointSlice[];
  readonly nodes?: readonly Node[];
  readonly pods?: readonly Pod[];
}

function ask(of: typeof podCandidates, world: World, family: 4 | 6 = 4) {
  const web = service('web', { ports: [HTTP], ...world.service });
  const byKey = <T extends { readonly key: string }>(all: readonly T[] = []) =>
    KeyedMap.from(all.map((each) => [each.key, each] as const));
  const hosts = { nodes: byKey(world.nodes), pods: byKey(world.pods) };
  const port = web.ports[0] ?? HTTP;
  return of(web, port, family, { service: 'default/web', slices: world.slices }, hosts);
}

/** `address:port=stage` of each, sorted. */
function pods(world: World, family?: 4 | 6): string {
  return ask(podCandidates, world, family)
    .candidates.map(({ address, port, stage }) => `${formatAddress(address)} ${port} ${stage}`)
    .sort()
    .join(', ');
}

const podCases: [what: string, world: World, found: string][] = [
  ['one slice', { slices: [slice([endpoint('10.1.0.1')])] }, '10.1.0.1 8080 ready'],
  [
    'the same endpoint in two slices',
    { slices: [slice([endpoint('10.1.0.1')]), slice([endpoint('10.1.0.1')])] },
    '10.1.0.1 8080 ready',
  ],
  [
    'an endpoint that is ready in one slice and terminating in another',
    { slices: [slice([endpoint('10.1.0.1', gone)]), slice([endpoint('10.1.0.1')])] },
    '10.1.0.1 8080 ready',
  ],
  [
    'an endpoint that is unready in one slice and terminating in another, beside a ready one',
    {
      slices: [
        slice([endpoint('10.1.0.1', { ready: false, serving: false }), endpoint('10.1.0.2')]),
        slice([endpoint('10.1.0.1', gone)]),
      ],
    },
    '10.1.0.1 8080 leaving, 10.1.0.2 8080 ready',
  ],
  [
    'slices of both families',
    {
      slices: [
        slice([endpoint('10.1.0.1')]),
        slice([endpoint('fd00::1')], { family: 6 }),
        slice([endpoint('fd00::2')], { family: 6 }),
      ],
    },
    '10.1.0.1 8080 ready',
  ],
  [
    'another number of the port in each slice',
    {
      slices: [
        slice([endpoint('10.1.0.1')]),
        slice([endpoint('10.1.0.2')], { ports: [{ name: 'http', protocol: 'TCP', port: 9090 }] }),
      ],
    },
    '10.1.0.1 8080 ready, 10.1.0.2 9090 ready',
  ],
  ['a slice without ports', { slices: [slice([endpoint('10.1.0.1')], { ports: [] })] }, ''],
  [
    'a slice whose port has no number',
    {
      slices: [
        slice([endpoint('10.1.0.1')], {
          ports: [{ name: 'http', protocol: 'TCP', port: undefined }],
        }),
      ],
    },
    '',
  ],
  [
    'a slice whose port has the name and another protocol',
    {
      slices: [
        slice([endpoint('10.1.0.1')], { ports: [{ name: 'http', protocol: 'UDP', port: 80 }] }),
      ],
    },
    '',
  ],
  [
    'an endpoint without a node or a Pod, in a slice written by hand',
    { service: { selector: '' }, slices: [slice([endpoint('198.51.100.7')])] },
    '198.51.100.7 8080 ready',
  ],
  [
    'a headless Service',
    { service: { headless: true }, slices: [slice([endpoint('10.1.0.1')])] },
    '10.1.0.1 8080 ready',
  ],
  [
    'an endpoint that is ready and terminating (publishNotReadyAddresses)',
    {
      service: { publishNotReadyAddresses: true },
      slices: [slice([endpoint('10.1.0.1', { terminating: true }), endpoint('10.1.0.2', gone)])],
    },
    '10.1.0.1 8080 ready, 10.1.0.2 8080 ready',
  ],
  ['a slice without endpoints', { slices: [slice([])] }, ''],
];
for (const [what, world, found] of podCases) {
  test(`podCandidates() with ${what}: ${found || 'nobody'}`, (t) => {
    t.is(pods(world), found);
  });
}

test('podCandidates() takes the slices of the family asked for', (t) => {
  const world = {
    slices: [slice([endpoint('10.1.0.1')]), slice([endpoint('fd00::1')], { family: 6 })],
  };
  t.is(pods(world, 6), 'fd00::1 8080 ready');
});

test('podCandidates() takes 1,000 endpoints of one Service, of which slices repeat half', (t) => {
  const all = Array.from({ length: 1000 }, (_, i) => endpoint(`10.1.${i >> 8}.${i & 255}`));
  const parts = Array.from({ length: 10 }, (_, i) => slice(all.slice(100 * i, 100 * i + 100)));
  const world = { slices: [...parts, ...parts.slice(5)] };
  t.is(ask(podCandidates, world).candidates.length, 1000);
});

test('podCandidates() says that no port matches where there are endpoints', (t) => {
  const { notes } = ask(podCandidates, { slices: [slice([endpoint('10.1.0.1')], { ports: [] })] });
  t.regex(notes.join(), /have endpoints and no port for port "http" 80\/TCP of default\/web; give/);
  const empty = ask(podCandidates, { slices: [slice([])] });
  t.regex(empty.notes.join(), /^No IPv4 endpoint for port "http"/);
});

test('podCandidates() follows no hints of the last resort, as kube-proxy does', (t) => {
  const hinted = { ...gone, zoneHints: ['a'] };
  const [only] = ask(podCandidates, { slices: [slice([endpoint('10.1.0.1', hinted)])] }).candidates;
  t.is(only?.stage, 'ready');
  t.deepEqual(only?.hints, { zoneHints: [], nodeHints: [] });
  const plain = slice([endpoint('10.1.0.1', { zoneHints: ['a'] })]);
  t.deepEqual(ask(podCandidates, { slices: [plain] }).candidates[0]?.hints.zoneHints, ['a']);
});

test('podCandidates() knows the node of an endpoint by its Pod when the slice names none', (t) => {
  const of = (nodeName: string | undefined) =>
    slice([endpoint('10.1.0.1', { pod: 'default/p1', nodeName })]);
  const nodeOf = (world: World) => ask(podCandidates, world).candidates[0]?.node;
  t.is(nodeOf({ slices: [of(undefined)], pods: [pod('p1')] }), 'n1');
  t.is(nodeOf({ slices: [of('n2')], pods: [pod('p1')] }), 'n2');
  t.is(nodeOf({ slices: [of(undefined)] }), undefined);
});

test('podCandidates() gives the same backends in whichever order slices and endpoints stand', (t) => {
  const one = fc.record({
    last: fc.integer({ min: 1, max: 5 }),
    ready: fc.boolean(),
    serving: fc.boolean(),
    terminating: fc.boolean(),
  });
  const world = fc.array(fc.array(one, { maxLength: 4 }), { maxLength: 4 });
  fc.assert(
    fc.property(world, fc.integer(), (parts, seed) => {
      const list = parts.map((part) =>
        slice(part.map(({ last, ...fields }) => endpoint(`10.1.0.${last}`, fields))),
      );
      const turn = seed & 3;
      const turned = [...list.slice(turn), ...list.slice(0, turn)].map((each) => {
        return { ...each, endpoints: each.endpoints.toReversed() };
      });
      t.is(pods({ slices: list }), pods({ slices: turned }));
    }),
  );
});

const two = [node('n1', ['10.0.0.1', 'fd00::1']), node('n2', ['10.0.0.2'])];

function nodes(world: Omit<World, 'nodes'>, of = two, family: 4 | 6 = 4): string {
  return ask(nodeCandidates, { ...world, nodes: of }, family)
    .candidates.map(({ node: name, stage }) => `${name} ${stage}`)
    .sort()
    .join(', ');
}

const LOCAL = { externalTrafficPolicy: 'Local' } as const;
const nodeCases: [what: string, world: Omit<World, 'nodes'>, found: string][] = [
  ['an endpoint anywhere', { slices: [slice([endpoint('10.1.0.1')])] }, 'n1 ready, n2 ready'],
  [
    'policy Local and an endpoint on one',
    { service: LOCAL, slices: [slice([endpoint('10.1.0.1', { nodeName: 'n2' })])] },
    'n1 leaving, n2 ready',
  ],
  [
    'policy Local and a terminating endpoint beside a ready one',
    {
      service: LOCAL,
      slices: [
        slice([
          endpoint('10.1.0.1', { nodeName: 'n1', ...gone }),
          endpoint('10.1.0.2', { nodeName: 'n2' }),
        ]),
      ],
    },
    'n1 leaving, n2 ready',
  ],
  [
    'policy Local and only a terminating endpoint',
    { service: LOCAL, slices: [slice([endpoint('10.1.0.1', { nodeName: 'n1', ...gone })])] },
    'n1 ready, n2 leaving',
  ],
  [
    'policy Local and an endpoint whose Pod names the node',
    {
      service: LOCAL,
      slices: [slice([endpoint('10.1.0.1', { pod: 'default/p1' })])],
      pods: [pod('p1')],
    },
    'n1 ready, n2 leaving',
  ],
  [
    'policy Local and endpoints without a node',
    { service: LOCAL, slices: [slice([endpoint('10.1.0.1')])] },
    'n1 leaving, n2 leaving',
  ],
];
for (const [what, world, found] of nodeCases) {
  test(`nodeCandidates() with ${what}: ${found}`, (t) => {
    t.is(nodes(world), found);
  });
}

test('nodeCandidates() takes nodes with an address of the family', (t) => {
  t.is(nodes({ slices: [slice([endpoint('10.1.0.1')])] }, two, 6), 'n1 ready');
});

test('nodeCandidates() says when policy Local leaves nobody because no endpoint names its node', (t) => {
  const notesOf = (nodeName: string | undefined) => {
    const world = { service: LOCAL, slices: [slice([endpoint('10.1.0.1', { nodeName })])] };
    return ask(nodeCandidates, { ...world, nodes: two }).notes.join();
  };
  t.regex(notesOf(undefined), /No endpoint of default\/web names its node, so no node.*Local; set/);
  t.is(notesOf('n9'), '');
});
