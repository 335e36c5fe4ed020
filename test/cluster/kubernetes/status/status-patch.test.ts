import test from 'ava';
import { statusBaseOf } from '../../../../src/cluster/kubernetes/status/status-base.ts';
import { statusPatch } from '../../../../src/cluster/kubernetes/status/status-patch.ts';
import type { Condition, ServiceStatus } from '../../../../src/domain/service.ts';
import { status } from '../../../support/objects.ts';

const FINALIZER = 'service.kubernetes.io/load-balancer-cleanup';
const POOL = 'metallb.io/ip-allocated-from-pool';
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const THEIRS = { type: 'x/y', status: 'True', reason: 'R', message: '', observedGeneration: 3 };

function base(metadata: object = {}, held: object = {}, spec: object = {}) {
  return statusBaseOf({
    metadata: { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '7', ...metadata },
    spec,
    status: held,
  });
}

function allocated(message: string, sinceMs = NOW): Condition {
  return { type: 'tidegate.io/Allocated', status: 'True', reason: 'R', message, sinceMs };
}

function wanted(addresses: readonly string[], rest: Partial<ServiceStatus> = {}): ServiceStatus {
  return { ...status(addresses, addresses.length > 0 ? 'p' : ''), ...rest };
}

test('statusPatch() says address, pool, guard and conditions in one patch of this very version', (t) => {
  t.deepEqual(
    statusPatch(base({ finalizers: ['a/b'] }, { conditions: [THEIRS] }), {
      ...wanted(['192.0.2.1', '2001:db8::1']),
      conditions: [allocated('m')],
    }),
    {
      metadata: {
        uid: 'u',
        resourceVersion: '7',
        annotations: { [POOL]: 'p' },
        finalizers: ['a/b', FINALIZER],
      },
      status: {
        loadBalancer: {
          ingress: [
            { ip: '192.0.2.1', ipMode: 'VIP' },
            { ip: '2001:db8::1', ipMode: 'VIP' },
          ],
        },
        conditions: [
          THEIRS,
          {
            type: 'tidegate.io/Allocated',
            status: 'True',
            reason: 'R',
            message: 'm',
            lastTransitionTime: '2026-01-02T03:04:05Z',
          },
        ],
      },
    } as never,
  );
});

test('statusPatch() sends nothing when the object says so already', (t) => {
  const held = {
    loadBalancer: { ingress: [{ ip: '2001:0db8::0001' }] },
    conditions: [
      {
        type: 'tidegate.io/Allocated',
        status: 'True',
        reason: 'R',
        message: 'm',
        lastTransitionTime: '2026-01-02T03:04:05Z',
      },
      THEIRS,
    ],
  };
  const guarded = { finalizers: [FINALIZER], annotations: { [POOL]: 'p' } };
  const says = wanted(['2001:db8::1'], { conditions: [allocated('m')] });
  t.is(statusPatch(base(guarded, held), says), undefined);
  const former = {
    finalizers: [FINALIZER],
    annotations: { 'metallb.universe.tf/ip-allocated-from-pool': 'p' },
  };
  t.is(statusPatch(base(former, held), says), undefined);
  t.is(statusPatch(base(), undefined), undefined);
});

test('statusPatch() touches only what differs', (t) => {
  const guarded = { finalizers: [FINALIZER], annotations: { [POOL]: 'p' } };
  const held = { loadBalancer: { ingress: [{ ip: '192.0.2.1', ipMode: 'VIP' }] } };
  const patch = statusPatch(
    base(guarded, held),
    wanted(['192.0.2.1'], { conditions: [allocated('m')] }),
  );
  t.deepEqual(Object.keys(patch?.metadata ?? {}), ['uid', 'resourceVersion']);
  t.deepEqual(Object.keys(patch?.status ?? {}), ['conditions']);
  const other = statusPatch(base(guarded, held), wanted(['192.0.2.2']));
  t.deepEqual(other?.status, { loadBalancer: { ingress: [{ ip: '192.0.2.2', ipMode: 'VIP' }] } });
});

test('statusPatch() replaces what another load balancer has written', (t) => {
  for (const ingress of [
    [{ hostname: 'lb.example' }],
    [{ ip: '192.0.2.1' }, { hostname: 'lb.example' }],
    [{ ip: '192.0.2.1', ipMode: 'Proxy' }],
    [{ ip: '192.0.2.1', ports: [{ port: 80, protocol: 'TCP', error: 'X' }] }],
  ]) {
    const patch = statusPatch(base({}, { loadBalancer: { ingress } }), wanted(['192.0.2.1']));
    t.deepEqual(patch?.status?.loadBalancer, { ingress: [{ ip: '192.0.2.1', ipMode: 'VIP' }] });
  }
});

test('statusPatch() gives a Service back: no address, pool, guard or condition of ours', (t) => {
  const metadata = {
    finalizers: ['a/b', FINALIZER],
    annotations: { [POOL]: 'p', 'metallb.universe.tf/ip-allocated-from-pool': 'p', other: 'x' },
    deletionTimestamp: '2026-01-02T03:04:05Z',
  };
  const held = {
    loadBalancer: { ingress: [{ ip: '192.0.2.1' }] },
    conditions: [THEIRS, { type: 'tidegate.io/Serving', status: 'True' }],
  };
  t.deepEqual(statusPatch(base(metadata, held), undefined), {
    metadata: {
      uid: 'u',
      resourceVersion: '7',
      annotations: { [POOL]: null, 'metallb.universe.tf/ip-allocated-from-pool': null },
      finalizers: ['a/b'],
    },
    status: { loadBalancer: null, conditions: [THEIRS] },
  } as never);
});

test('statusPatch() guards nothing that is being deleted', (t) => {
  const deleting = base({ deletionTimestamp: '2026-01-02T03:04:05Z', finalizers: ['a/b'] });
  t.is(statusPatch(deleting, wanted([])), undefined);
});

test('statusPatch() names all ports when one is not served', (t) => {
  const ports = [
    { port: 80, protocol: 'TCP' },
    { port: 90, protocol: 'SCTP' },
  ];
  const error = 'tidegate.io/ProtocolNotSupported';
  const says = wanted(['192.0.2.1'], { ports: [{ port: 90, protocol: 'SCTP', error }] });
  const patch = statusPatch(base({}, {}, { ports }), says);
  const ingress = [{ ip: '192.0.2.1', ipMode: 'VIP', ports: [ports[0], { ...ports[1], error }] }];
  t.deepEqual(patch?.status?.loadBalancer, { ingress } as never);
  const held = base(
    { annotations: { [POOL]: 'p' }, finalizers: [FINALIZER] },
    { loadBalancer: { ingress } },
    { ports },
  );
  t.is(statusPatch(held, says), undefined);
});

test('statusPatch() cuts messages to what a condition may hold', (t) => {
  const says = wanted([], { conditions: [allocated('m'.repeat(40_000))] });
  t.is(statusPatch(base(), says)?.status?.conditions?.[0]?.message.length, 32_768);
});
