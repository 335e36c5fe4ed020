import test from 'ava';
import { ADMIT_ALL, type ForwardPlan } from '../../../src/domain/forwarding.ts';
import type { CheckHealth } from '../../../src/domain/health.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import type { Pod } from '../../../src/domain/pod.ts';
import { parsePrefix } from '../../../src/domain/prefix.ts';
import type { Service } from '../../../src/domain/service.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../../src/domain/snapshot.ts';
import { planForward } from '../../../src/plan/forward.ts';
import type { ForwardSettings } from '../../../src/plan/forwarding/forward-settings.ts';
import { forwardSettings } from '../../support/forward-settings.ts';
import {
  endpoint,
  endpointsOf,
  node,
  pod,
  service,
  servicePort,
  status,
  TCP_CHECK,
} from '../../support/objects.ts';

const SETTINGS = forwardSettings();
const WEB = '192.0.2.10 TCP 80';
const NO_HEALTH = KeyedMap.empty<CheckHealth>();

const prefixes = (...texts: string[]) => texts.flatMap((text) => parsePrefix(text) ?? []);

/** Three Pods on two Nodes behind the Service `web`. */
function snapshot(fields: Partial<Service>, pods: Record<string, Partial<Pod>> = {}): Snapshot {
  const web = service('web', { ports: [servicePort({ nodePort: 30080 })], ...fields });
  const of = (last: number, nodeName: string) =>
    endpoint(`10.1.0.${last}`, { pod: `default/p${last}`, nodeName });
  return {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    services: KeyedMap.from([['default/web', web]]),
    statuses: KeyedMap.from([['default/web', status(['192.0.2.10', '2001:db8::10'])]]),
    endpoints: KeyedMap.from([
      ['default/web', endpointsOf('default/web', [of(1, 'n1'), of(2, 'n1'), of(3, 'n2')])],
    ]),
    pods: KeyedMap.from(
      Object.entries(pods).map(([name, each]) => [`default/${name}`, pod(name, each)]),
    ),
    nodes: KeyedMap.from([
      ['n1', node('n1', ['10.0.0.1'])],
      ['n2', node('n2', ['10.0.0.2'], { weight: 7 })],
    ]),
  };
}

const plan = (current: Snapshot, settings = SETTINGS, health = NO_HEALTH) =>
  planForward(undefined, current, health, settings, 0);
const serverOf = (planned: ForwardPlan, id = WEB) => {
  const server = planned.servers.get(id);
  if (!server) throw new Error(`There is no server ${id}`);
  return server;
};
const weights = (planned: ForwardPlan) =>
  serverOf(planned)
    .backends.map(({ weight, use }) => `${weight} ${use}`)
    .join(', ');
const notesOf = (planned: ForwardPlan) => planned.services.get('default/web')?.notes ?? [];

test("a Pod's weight is the annotation's, else its own label, else its Node's", (t) => {
  t.is(weights(plan(snapshot({}))), '1 active, 1 active, 7 active');
  t.is(
    weights(plan(snapshot({}, { p1: { weight: 3 }, p3: { weight: 2 } }))),
    '3 active, 1 active, 2 active',
  );
  const annotated = new Map([
    ['n1', 20],
    ['p2', 30],
    ['10.1.0.3', 40],
    ['p3', 50],
  ]);
  const planned = plan(snapshot({ weights: annotated }, { p1: { weight: 3 } }));
  t.is(weights(planned), '20 active, 30 active, 40 active');
});

test("a Node's weight is the annotation's, else its own label", (t) => {
  const target = 'node' as const;
  t.is(weights(plan(snapshot({ target }))), '1 active, 7 active');
  t.is(
    weights(plan(snapshot({ target, weights: new Map([['10.0.0.2', 2]]) }))),
    '1 active, 2 active',
  );
});

test('a backend of weight 0 drains, and a Service of nothing else says so', (t) => {
  const one = plan(snapshot({ weights: new Map([['p1', 0]]) }));
  t.is(weights(one), '0 draining, 1 active, 7 active');
  t.is(serverOf(one).backends[0]?.reason, 'weight 0');
  const none = plan(
    snapshot({
      weights: new Map([
        ['n1', 0],
        ['n2', 0],
      ]),
    }),
  );
  t.is(serverOf(none).ring.length, 0);
  t.regex(notesOf(none).join(), /Every backend of 192\.0\.2\.10 TCP 80 .* has weight 0; raise/);
});

test('a terminating backend serves when the others have weight 0, but not one of weight 0', (t) => {
  const current = snapshot(
    {
      weights: new Map([
        ['p1', 0],
        ['p2', 0],
      ]),
    },
    { p2: { deleting: true }, p3: { deleting: true, nodeName: 'n2' } },
  );
  t.is(weights(plan(current)), '0 draining, 0 draining, 7 active');
});

test('an annotated weight of nobody is noted with the name', (t) => {
  const planned = plan(
    snapshot({
      weights: new Map([
        ['n1', 2],
        ['p9', 3],
      ]),
    }),
  );
  t.deepEqual(
    notesOf(planned).filter((note) => note.includes('weights')),
    [
      'Annotation tidegate.io/weights of Service default/web names "p9", which is none of its ' +
        'backends; name a Node, a Pod or an address of its backends',
    ],
  );
});

test('a new weight of a Pod or Node plans the Services on it, and no others', (t) => {
  const before = snapshot({}, { p1: {} });
  const first = plan(before);
  const next = (fields: Partial<Snapshot>) =>
    planForward(first, { ...before, ...fields }, NO_HEALTH, SETTINGS, 0);
  const heavier = next({ pods: before.pods.with('default/p1', pod('p1', { weight: 9 })) });
  t.is(weights(heavier), '9 active, 1 active, 7 active');
  const light = node('n2', ['10.0.0.2'], { weight: 1 });
  t.is(weights(next({ nodes: before.nodes.with('n2', light) })), '1 active, 1 active, 1 active');
  const stranger = node('n3', ['10.0.0.3'], { weight: 5 });
  t.is(next({ nodes: before.nodes.with('n3', stranger) }).planned, 0);
  const relabelled = node('n2', ['10.0.0.2'], { weight: 7, labels: { a: 'b' } });
  t.is(next({ nodes: before.nodes.with('n2', relabelled) }).planned, 0);
});

test('a server says what the annotations say, else the settings', (t) => {
  const settings: ForwardSettings = {
    ...SETTINGS,
    scheduler: 'source-hash',
    deadBackends: 'reset',
    clientNewFlowsPerSec: 50,
  };
  t.like(serverOf(plan(snapshot({}), settings)), {
    scheduler: 'source-hash',
    resetDead: true,
    clientNewFlowsPerSec: 50,
    newFlowsPerSec: 0,
    slowStartSec: 0,
    affinityGroup: 'default/web',
  });
  const annotated = snapshot({
    scheduler: 'round-robin',
    deadBackend: 'leave',
    clientNewFlowsPerSec: 0,
    newFlowsPerSec: 900,
    slowStartSec: 30,
  });
  t.like(serverOf(plan(annotated, settings)), {
    scheduler: 'round-robin',
    choice: 'ring',
    resetDead: false,
    clientNewFlowsPerSec: 0,
    newFlowsPerSec: 900,
    slowStartSec: 30,
  });
});

test('source ranges stay the same object while they are equal, over all servers', (t) => {
  const ranges = () => prefixes('192.0.2.0/24', '2001:db8::/32');
  const before = snapshot({ sourceRanges: ranges() });
  const first = plan(before);
  const { sourceRanges } = serverOf(first);
  t.is(serverOf(first, '2001:db8::10 TCP 80').sourceRanges, sourceRanges);
  const web = service('web', { sourceRanges: ranges(), newFlowsPerSec: 7 });
  const services = KeyedMap.from([['default/web', web]]);
  const second = planForward(first, { ...before, services }, NO_HEALTH, SETTINGS, 0);
  t.is(serverOf(second).newFlowsPerSec, 7);
  t.is(serverOf(second).sourceRanges, sourceRanges);
  const other = service('web', { sourceRanges: prefixes('192.0.2.0/25', '2001:db8::/32') });
  const changed = { ...before, services: KeyedMap.from([['default/web', other]]) };
  const third = planForward(second, changed, NO_HEALTH, SETTINGS, 0);
  t.deepEqual(serverOf(third).sourceRanges, other.sourceRanges);
});

test('source ranges of one family only: the address of the other is noted, and stays closed', (t) => {
  const planned = plan(snapshot({ sourceRanges: prefixes('192.0.2.0/24') }));
  t.is(serverOf(planned, '2001:db8::10 TCP 80').sourceRanges.length, 1);
  t.deepEqual(
    notesOf(planned).filter((note) => note.includes('Ranges')),
    [
      'No client may use 2001:db8::10 of Service default/web, since ' +
        'spec.loadBalancerSourceRanges has no IPv6 range; add one, for example ::/0 for everybody',
    ],
  );
});

test('a backend that comes back ramps in steps of its own, without another ring', (t) => {
  const settings = { ...SETTINGS, health: TCP_CHECK };
  const current = snapshot({ slowStartSec: 20 });
  const ids = [...plan(current, settings).checks.keys()].sort();
  const health = (last: CheckHealth['state']) =>
    KeyedMap.from(
      ids.map((id, index): [string, CheckHealth] => {
        return [id, { state: index === 2 ? last : 'up', sinceMs: 0, reason: '' }];
      }),
    );
  const up = health('up');
  let planned = planForward(undefined, current, up, settings, 100.5);
  t.is(planned.nextStepMs, undefined);
  planned = planForward(planned, current, health('down'), settings, 200);
  planned = planForward(planned, current, up, settings, 300.9);
  const { ring } = serverOf(planned);
  t.deepEqual(
    serverOf(planned).backends.map(({ admit }) => admit),
    [ADMIT_ALL, ADMIT_ALL, 26],
  );
  t.is(planned.nextStepMs, 1300);
  const early = planForward(planned, current, up, settings, 1299.9);
  t.is(early.planned, 0);
  planned = planForward(early, current, up, settings, 1300);
  t.is(planned.planned, 1);
  t.is(serverOf(planned).backends[2]?.admit, 37);
  t.is(serverOf(planned).ring, ring);
  t.is(planned.nextStepMs, 2300);
  planned = planForward(planned, current, up, settings, 60_000);
  t.is(serverOf(planned).backends[2]?.admit, ADMIT_ALL);
  t.is(planned.nextStepMs, undefined);
});
