import test from 'ava';
import fc from 'fast-check';
import type { CheckHealth, HealthCheck } from '../../../src/domain/health.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import type { Candidate } from '../../../src/plan/forwarding/candidates.ts';
import { type CheckedCandidate, decideUse } from '../../../src/plan/forwarding/usable.ts';
import { address, TCP_CHECK } from '../../support/objects.ts';

/** `up`, `503`: kube-proxy refuses; `refused`: nobody answers; `?`: not asked yet; `-`: no check. */
type Word = 'up' | '503' | 'refused' | '?' | '-';
const WORDS: readonly Word[] = ['up', '503', 'refused', '?', '-'];

function candidate(index: number, stage: Candidate['stage'] = 'ready'): Candidate {
  const place = { address: address(`10.0.0.${index + 1}`), port: 30080 };
  const hints = { zoneHints: [], nodeHints: [] };
  const rest = { weight: 1, node: `n${index}`, pod: undefined, hints };
  return { ...place, stage, reason: stage === 'ready' ? '' : stage, ...rest };
}

function healthOf(word: Word): CheckHealth | undefined {
  if (word === '-' || word === '?') return undefined;
  if (word === 'up') return { state: 'up', sinceMs: 0, reason: '' };
  if (word === 'refused') return { state: 'down', sinceMs: 0, reason: 'connection refused' };
  return { state: 'down', sinceMs: 0, reason: 'status 503, expected 200', status: 503 };
}

/** Nodes by their words, `node/backend`. */
function decide(words: readonly string[], fallback: 'fail-open' | 'fail-closed' = 'fail-open') {
  const health = new Map<string, CheckHealth>();
  const checkOf = (id: string, word: Word): HealthCheck | undefined => {
    const found = healthOf(word);
    if (found) health.set(id, found);
    const check = { id, address: address('10.0.0.1'), port: 1, settings: TCP_CHECK };
    return word === '-' ? undefined : check;
  };
  const checked = words.map((word, index): CheckedCandidate => {
    const [node, own] = word.split('/') as [Word, Word];
    return {
      candidate: candidate(index),
      check: checkOf(`own ${index}`, own),
      nodeCheck: checkOf(`node ${index}`, node),
    };
  });
  return decideUse(checked, KeyedMap.from(health), fallback);
}

const uses = (...args: Parameters<typeof decide>) => decide(...args).verdicts.map(({ use }) => use);

for (const [word, use] of [
  ['up/up', 'active'],
  ['up/-', 'active'],
  ['-/up', 'active'],
  ['-/-', 'active'],
  ['up/refused', 'down'],
  ['refused/up', 'down'],
  ['503/up', 'draining'],
  ['503/-', 'draining'],
  ['503/refused', 'draining'],
  ['503/?', 'draining'],
  ['up/503', 'down'],
  ['up/?', 'down'],
  ['?/up', 'down'],
  ['?/?', 'down'],
  ['refused/?', 'down'],
] as const) {
  test(`decideUse() with a node and a backend that say ${word}, beside one that works: ${use}`, (t) => {
    t.deepEqual(uses(['up/up', word]), ['active', use]);
  });
}

test('decideUse() says whose check failed', (t) => {
  const reasons = decide(['up/up', '503/up', 'up/refused']).verdicts.map(({ reason }) => reason);
  t.deepEqual(reasons, [
    '',
    "kube-proxy's health check of the node failed: status 503, expected 200",
    'health check failed: connection refused',
  ]);
});

test('decideUse() uses all when all nodes refuse, or none but their flows, as set', (t) => {
  t.deepEqual(uses(['503/up', '503/up']), ['active', 'active']);
  t.deepEqual(uses(['503/up', 'refused/up'], 'fail-closed'), ['draining', 'down']);
  t.true(decide(['503/up', 'refused/up']).allFail);
  t.false(decide(['503/up', '?/up']).allFail);
});

test('decideUse() gives new flows to nobody that fails while somebody does not', (t) => {
  const word = fc.tuple(fc.constantFrom(...WORDS), fc.constantFrom(...WORDS));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 6 }), (pairs) => {
      const words = pairs.map((pair) => pair.join('/'));
      const { verdicts, allFail } = decide(words);
      const fails = pairs.map((pair) => pair.includes('503') || pair.includes('refused'));
      t.is(allFail, fails.every(Boolean));
      t.true(verdicts.some(({ use }) => use === 'active'));
      for (const [index, { use }] of verdicts.entries()) {
        if (!allFail && fails[index]) t.not(use, 'active');
        t.is(use === 'draining', !allFail && pairs[index]?.[0] === '503');
      }
    }),
  );
});
