import test from 'ava';
import { decodeApiStatus } from '../../../../src/cluster/kubernetes/status/api-status.ts';
import { address as addr } from '../../../support/objects.ts';

const FINALIZER = 'service.kubernetes.io/load-balancer-cleanup';

function object(fields: { readonly metadata?: object; readonly status?: unknown }) {
  const { metadata, status } = fields;
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '1', ...metadata },
    spec: {},
    status,
  };
}

test('decodeApiStatus() reads addresses, pool, guard, ports and conditions', (t) => {
  const condition = {
    type: 'tidegate.io/Allocated',
    status: 'True',
    reason: 'IPAllocated',
    message: 'm',
    lastTransitionTime: '2026-01-02T03:04:05Z',
  };
  const ports = [
    { port: 80, protocol: 'TCP' },
    { port: 90, protocol: 'SCTP', error: 'tidegate.io/ProtocolNotSupported' },
  ];
  const status = decodeApiStatus(
    object({
      metadata: {
        annotations: { 'metallb.io/ip-allocated-from-pool': 'p' },
        finalizers: ['x/y', FINALIZER],
      },
      status: {
        loadBalancer: {
          ingress: [
            { ip: '192.0.2.1', ipMode: 'VIP', ports },
            { ip: '2001:db8::1', ports },
          ],
        },
        conditions: [condition, { type: 'x/y', status: 'Maybe' }],
      },
    }),
    [],
  );
  t.deepEqual(status, {
    addresses: [addr('192.0.2.1'), addr('2001:db8::1')],
    hostnames: [],
    pool: 'p',
    ports: [{ port: 90, protocol: 'SCTP', error: 'tidegate.io/ProtocolNotSupported' }],
    guarded: true,
    conditions: [
      {
        type: 'tidegate.io/Allocated',
        status: 'True',
        reason: 'IPAllocated',
        message: 'm',
        sinceMs: Date.UTC(2026, 0, 2, 3, 4, 5),
      },
      { type: 'x/y', status: 'Unknown', reason: '', message: '', sinceMs: 0 },
    ],
    events: [],
  });
});

test('decodeApiStatus() reads what MetalLB and clouds have left', (t) => {
  const annotations = { 'metallb.universe.tf/ip-allocated-from-pool': 'old' };
  t.is(decodeApiStatus(object({ metadata: { annotations } }), [])?.pool, 'old');
  const ingress = [{ hostname: 'lb.example' }, { ip: 'nonsense' }, { ip: 7 }, null];
  const status = decodeApiStatus(object({ status: { loadBalancer: { ingress } } }), []);
  t.deepEqual([status?.hostnames, status?.addresses], [['lb.example'], []]);
});

test('decodeApiStatus() makes nothing of a status that says nothing', (t) => {
  for (const status of [
    undefined,
    {},
    { loadBalancer: {} },
    { loadBalancer: { ingress: [] } },
    7,
  ]) {
    t.is(decodeApiStatus(object({ status }), []), undefined);
  }
  const event = { type: 'Normal', reason: 'R', message: 'm', firstMs: 1, lastMs: 1, count: 1 };
  t.deepEqual(decodeApiStatus(object({}), [event as never])?.events.length, 1);
});
