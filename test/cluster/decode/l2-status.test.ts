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
