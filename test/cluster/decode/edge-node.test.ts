import test from 'ava';
import { decodeEdgeNode } from '../../../src/cluster/decode/edge-node.ts';

function edgeNode(fields: Record<string, unknown>) {
  return { metadata: { name: 'edge-1', labels: { rack: 'a' } }, ...fields };
}

test('decodeEdgeNode() reads what a box says of itself', (t) => {
  const withheld = {
    address: '192.0.2.1',
    service: 'shop/web',
    reason: 'noEndpoints',
    message: 'No backend',
  };
  const { value, problems } = decodeEdgeNode(
    edgeNode({
      spec: { drain: true },
      status: {
        conditions: [
          { type: 'Draining', status: 'True' },
          { type: 'Ready', status: 'True' },
        ],
        withheld: [withheld, { address: '192.0.2.2', reason: 'noInterface' }],
      },
    }),
  );
  t.deepEqual(problems, []);
  t.like(value, { key: 'edge-1', labels: { rack: 'a' }, drain: true, ready: true, alive: true });
  t.deepEqual(value?.withheld, [
    withheld,
    { address: '192.0.2.2', service: '', reason: 'noInterface', message: '' },
  ]);
});

test('decodeEdgeNode() does not take a box for ready that has not said so', (t) => {
  const conditions = (status: string) => ({ conditions: [{ type: 'Ready', status }] });
  for (const status of [undefined, {}, conditions('False'), conditions('Unknown')])
    t.like(decodeEdgeNode(edgeNode({ status })).value, { ready: false, drain: false, alive: true });
});

test('decodeEdgeNode() keeps the word of a box that the controller has taken for lost', (t) => {
  const of = (reason: string) =>
    decodeEdgeNode(
      edgeNode({ status: { conditions: [{ type: 'Ready', status: 'Unknown', reason }] } }),
    ).value;
  t.like(of('HeartbeatLost'), { ready: true, heartbeatLost: true });
  t.like(of('Other'), { ready: false, heartbeatLost: false });
});

test('decodeEdgeNode() refuses a drain that is neither true nor false', (t) => {
  const { value, problems } = decodeEdgeNode(edgeNode({ spec: { drain: 'yes' } }));
  t.is(value, undefined);
  t.is(problems[0]?.field, 'spec.drain');
});
