import test from 'ava';
import { decodeL2Status } from '../../../src/cluster/decode/l2-status.ts';

const labels = {
  'metallb.io/node': 'edge-1',
  'metallb.io/service-name': 'web',
  'metallb.io/service-namespace': 'shop',
};

test('decodeL2Status() reads who announces a Service and where', (t) => {
  const { value, problems } = decodeL2Status({
    metadata: { name: 'l2-abcde', namespace: 'metallb-system', labels },
    status: {
      node: 'edge-2',
      serviceName: 'api',
      serviceNamespace: 'back',
      interfaces: [{ name: 'eth0' }, { name: 'eth1' }],
    },
  });
  t.deepEqual(problems, []);
  t.like(value, { key: 'metallb-system/l2-abcde', node: 'edge-2', service: 'back/api' });
  t.deepEqual(value?.interfaces, ['eth0', 'eth1']);
});

test('decodeL2Status() goes by the labels before there is a status', (t) => {
  const { value } = decodeL2Status({
    metadata: { name: 'l2-abcde', namespace: 'metallb-system', labels },
  });
  t.like(value, { node: 'edge-1', service: 'shop/web', interfaces: [] });
});

test('decodeL2Status() tells what a box wrote from what a speaker of MetalLB wrote', (t) => {
  const ofBox = (...ownerReferences: readonly object[]) =>
    decodeL2Status({ metadata: { name: 'l2-1', labels, ownerReferences } }).value?.ofBox;
  t.true(ofBox({ apiVersion: 'tidegate.io/v1alpha1', kind: 'EdgeNode', name: 'edge-1' }));
  t.false(ofBox({ apiVersion: 'v1', kind: 'Pod', name: 'speaker-x' }));
  t.false(ofBox());
});
