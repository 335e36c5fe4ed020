import test from 'ava';
import { decodeNode } from '../../../src/cluster/decode/node.ts';
import { formatAddress } from '../../../src/domain/address.ts';

test('decodeNode() reads what matters at the edge', (t) => {
  const { value, problems } = decodeNode({
    metadata: { name: 'worker.example.org' },
    spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] },
    status: {
      addresses: [
        { type: 'Hostname', address: 'worker' },
        { type: 'InternalIP', address: '10.0.0.1' },
        { type: 'InternalIP', address: 'fd00::1' },
        { type: 'ExternalIP', address: '192.0.2.1' },
      ],
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'NetworkUnavailable', status: 'True' },
      ],
    },
  });
  t.deepEqual(problems, []);
  t.is(value?.key, 'worker.example.org');
  t.deepEqual(value?.internalAddresses.map(formatAddress), ['10.0.0.1', 'fd00::1']);
  t.like(value, { ready: true, networkUnavailable: true, namespace: '' });
  t.deepEqual(value?.taints, ['a']);
});

for (const [what, conditions, ready] of [
  ['no conditions', undefined, true],
  ['Ready False', [{ type: 'Ready', status: 'False' }], false],
  ['Ready Unknown', [{ type: 'Ready', status: 'Unknown' }], false],
  ['others only', [{ type: 'DiskPressure', status: 'False' }], false],
] as const) {
  test(`decodeNode() with ${what} is ${ready ? 'ready' : 'not ready'}`, (t) => {
    t.is(decodeNode({ metadata: { name: 'a' }, status: { conditions } }).value?.ready, ready);
  });
}

for (const [what, fields, field] of [
  [
    'a bad address',
    { status: { addresses: [{ type: 'InternalIP', address: 'x' }] } },
    'status.addresses[0].address',
  ],
  ['taints that are no list', { spec: { taints: 'x' } }, 'spec.taints'],
  [
    'a condition that is no text',
    { status: { conditions: [{ type: 1 }] } },
    'status.conditions[0].type',
  ],
] as const) {
  test(`decodeNode() refuses ${what}`, (t) => {
    const { value, problems } = decodeNode({ metadata: { name: 'a' }, ...fields });
    t.is(value, undefined);
    t.is(problems[0]?.field, field);
  });
}
