import test from 'ava';
import {
  decodeLease,
  encodeLease,
  type LeaseContent,
  microTime,
  newLease,
  sameHold,
} from '../../../../src/cluster/kubernetes/leader/lease.ts';

const METADATA = { name: 'n', namespace: 'ns', uid: 'u', resourceVersion: '7' };
const CONTENT: LeaseContent = {
  holder: 'me',
  durationMs: 10_000,
  acquireTime: '2026-01-01T00:00:00.000000Z',
  renewTime: '2026-01-01T00:00:02.000000Z',
  transitions: 3,
  journal: '{}',
};

test('encodeLease() writes what decodeLease() reads, and keeps what others put there', (t) => {
  const before = decodeLease({
    metadata: {
      ...METADATA,
      labels: { a: 'b' },
      annotations: { other: 'x', 'tidegate.io/journal': 'old' },
      managedFields: [{}],
    },
    spec: { holderIdentity: 'other', preferredHolder: 'p' },
  });
  if (!before) return t.fail();
  const written = encodeLease(before, CONTENT);
  t.deepEqual(written, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      ...METADATA,
      labels: { a: 'b' },
      finalizers: undefined,
      ownerReferences: undefined,
      annotations: { other: 'x', 'tidegate.io/journal': '{}' },
    },
    spec: {
      preferredHolder: 'p',
      holderIdentity: 'me',
      leaseDurationSeconds: 10,
      acquireTime: '2026-01-01T00:00:00.000000Z',
      renewTime: '2026-01-01T00:00:02.000000Z',
      leaseTransitions: 3,
    },
  });
  t.like(decodeLease(written), { ...CONTENT });
});

test('newLease() leaves out the journal where there is none', (t) => {
  t.deepEqual((newLease('ns', 'n', { ...CONTENT, journal: undefined }) as never)['metadata'], {
    namespace: 'ns',
    name: 'n',
    annotations: {},
  });
});

test('decodeLease() takes nonsense in fields for absence', (t) => {
  for (const spec of [
    undefined,
    null,
    'x',
    {},
    { holderIdentity: 7, leaseDurationSeconds: -1, leaseTransitions: 'x', renewTime: {} },
    { leaseDurationSeconds: 1.5 },
  ]) {
    t.like(decodeLease({ metadata: METADATA, spec }), {
      holder: '',
      durationMs: 0,
      renewTime: '',
      transitions: 0,
      journal: undefined,
    });
  }
  t.is(decodeLease({ kind: 'Status', metadata: {} }), undefined);
  t.is(decodeLease('<html>'), undefined);
});

test('sameHold() looks at hands and renewal, not at the rest', (t) => {
  t.true(sameHold(CONTENT, { ...CONTENT, journal: 'x', durationMs: 1 }));
  t.false(sameHold(CONTENT, { ...CONTENT, holder: 'x' }));
  t.false(sameHold(CONTENT, { ...CONTENT, renewTime: 'x' }));
  t.false(sameHold(CONTENT, { ...CONTENT, acquireTime: 'x' }));
  t.false(sameHold(CONTENT, { ...CONTENT, transitions: 4 }));
});

test('microTime() has six digits, as the API server wants it', (t) => {
  t.is(microTime(Date.UTC(2026, 0, 2, 3, 4, 5, 60)), '2026-01-02T03:04:05.060000Z');
  t.is(microTime(0), '1970-01-01T00:00:00.000000Z');
});
