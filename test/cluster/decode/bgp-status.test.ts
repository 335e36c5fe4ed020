import test from 'ava';
import { decodeBgpStatus } from '../../../src/cluster/decode/bgp-status.ts';

const labels = {
  'metallb.io/node': 'edge-1',
  'metallb.io/service-name': 'web',
  'metallb.io/service-namespace': 'shop',
};
const ownerReferences = [{ apiVersion: 'tidegate.io/v1alpha1', kind: 'EdgeNode', name: 'edge-1' }];

test('decodeBgpStatus() reads who announces a Service and to whom', (t) => {
  const { value, problems } = decodeBgpStatus({
    metadata: { name: 'bgp-abcde', namespace: 'metallb-system', labels, ownerReferences },
    status: { node: 'edge-2', serviceName: 'api', serviceNamespace: 'back', peers: ['a', 'b'] },
  });
  t.deepEqual(problems, []);
  t.like(value, { key: 'metallb-system/bgp-abcde', node: 'edge-2', service: 'back/api' });
  t.deepEqual(value?.peers, ['a', 'b']);
  t.true(value?.ofBox);
});

test('decodeBgpStatus() goes by the labels before there is a status', (t) => {
  const { value } = decodeBgpStatus({ metadata: { name: 'bgp-abcde', labels } });
  t.like(value, { node: 'edge-1', service: 'shop/web', peers: [], ofBox: false });
});
