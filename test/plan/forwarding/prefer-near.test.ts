import test from 'ava';
import fc from 'fast-check';
import type { CheckHealth } from '../../../src/domain/health.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import type { Candidate } from '../../../src/plan/forwarding/candidates.ts';
import type { Place } from '../../../src/plan/forwarding/forward-settings.ts';
import { preferNear } from '../../../src/plan/forwarding/prefer-near.ts';
import type { CheckedCandidate } from '../../../src/plan/forwarding/usable.ts';
import { address, TCP_CHECK } from '../../support/objects.ts';

interface Case {
  readonly zones?: readonly string[];
  readonly nodes?: readonly string[];
  readonly stage?: Candidate['stage'];
  readonly health?: 'up' | 'down';
}

const EDGE = { zone: 'a', node: 'edge-1' };

function near(cases: readonly Case[], place: Place | 'ignored' = EDGE) {
  const health: [string, CheckHealth][] = [];
  const checked = cases.map((each, index): CheckedCandidate => {
    const { zones = [], nodes = [], stage = 'ready' } = each;
    const id = String(index);
    if (each.health) health.push([id, { state: each.health, sinceMs: 0, reason: '' }]);
    const backend = { address: address(`10.1.0.${index + 1}`), port: 8080 };
    const hints = { zoneHints: zones, nodeHints: nodes };
    const rest = { reason: '', weight: 1, node: undefined, pod: undefined, hints };
    return {
      candidate: { ...backend, stage, ...rest },
      check: { id, ...backend, settings: TCP_CHECK },
      nodeCheck: undefined,
    };
  });
  const { checked: after, notes } = preferNear(
    checked,
    place === 'ignored' ? undefined : place,
    KeyedMap.from(health),
  );
  return {
    stages: after.map(({ candidate }) => candidate.stage).join(' '),
    reasons: after.map(({ candidate }) => candidate.reason),
    notes,
  };
}

const a: Case = { zones: ['a'] };
const b: Case = { zones: ['b'] };
const none: Case = {};

/** As kube-proxy's `CategorizeEndpoints` has it (pkg/proxy/topology.go). */
const cases: [what: string, cases: readonly Case[], stages: string][] = [
  ['all hinted, one for us', [a, b], 'ready leaving'],
  ['several zones in one hint', [{ zones: ['b', 'a'] }, b], 'ready leaving'],
  ['one without hints', [a, b, none], 'ready ready ready'],
  ['none for us', [b, b], 'ready ready'],
  ['no hints at all', [none, none], 'ready ready'],
  ['one without hints that is not ready', [a, b, { stage: 'unready' }], 'ready leaving unready'],
  ['one for us that is terminating', [{ ...a, stage: 'leaving' }, b], 'leaving ready'],
  ['nobody', [], ''],
  ['ours fails its check', [{ ...a, health: 'down' }, b], 'ready ready'],
  [
    'one of ours fails its check',
    [{ ...a, health: 'down' }, { ...a, health: 'up' }, b],
    'ready ready leaving',
  ],
  [
    'hints for Nodes that we are not',
    [
      { ...a, nodes: ['n1'] },
      { ...b, nodes: ['n2'] },
    ],
    'ready leaving',
  ],
  ['only hints for Nodes that we are not', [{ nodes: ['n1'] }, { nodes: ['n2'] }], 'ready ready'],
  [
    'a hint for the Node that we are',
    [
      { ...a, nodes: ['n1'] },
      { ...b, nodes: ['edge-1'] },
    ],
    'leaving ready',
  ],
];
for (const [what, given, stages] of cases) {
  test(`preferNear() with ${what}: ${stages || 'nothing'}`, (t) => {
    t.is(near(given).stages, stages);
  });
}

test('preferNear() says for whom the others are', (t) => {
  t.deepEqual(near([a, b]).reasons, ['', 'meant for zone b']);
  t.deepEqual(near([{ nodes: ['edge-1'] }, { nodes: ['n2'] }]).reasons, ['', 'meant for n2']);
});

test('preferNear() leaves all as it is when hints are ignored', (t) => {
  t.deepEqual(near([a, b], 'ignored'), { stages: 'ready ready', reasons: ['', ''], notes: [] });
});

test('preferNear() notes hints that it cannot follow', (t) => {
  t.regex(near([b]).notes.join(), /None of its endpoints is meant for the zone "a" of this box/);
  const nowhere = near([a, b], { zone: undefined, node: 'edge-1' });
  t.is(nowhere.stages, 'ready ready');
  t.regex(nowhere.notes.join(), /this box has no zone.*topology\.kubernetes\.io\/zone/);
  t.deepEqual(near([a, none]).notes, []);
});

test('preferNear() always leaves somebody, and never a worse one than without hints', (t) => {
  const one = fc.record({
    zones: fc.subarray(['a', 'b']),
    nodes: fc.subarray(['edge-1', 'n2']),
    stage: fc.constantFrom('ready' as const, 'leaving' as const, 'unready' as const),
    health: fc.constantFrom('up' as const, 'down' as const),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 6 }), (given) => {
      const after = near(given).stages.split(' ');
      const ready = given.filter(({ stage }) => stage === 'ready');
      const works = given.filter(({ stage, health }) => stage === 'ready' && health === 'up');
      const left = given.filter((_, index) => after[index] === 'ready');
      t.is(left.length > 0, ready.length > 0);
      t.is(
        left.some(({ health }) => health === 'up'),
        works.length > 0,
      );
    }),
  );
});
