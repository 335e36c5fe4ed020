import test from 'ava';
import type { ClusterObject } from '../../../../src/cluster/decode/cluster-object.ts';
import { microTime } from '../../../../src/cluster/kubernetes/box/lease-fields.ts';
import { createBoxLife } from '../../../../src/cluster/kubernetes/reading/box-life.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { edgeNode } from '../../../support/objects.ts';

function scene() {
  const clock = fakeClock();
  const changes: string[] = [];
  const life = createBoxLife({
    lifetimeMs: 10_000,
    clock,
    memory: undefined,
    onChange: (box) => changes.push(box),
  });
  const lease = (box: string) => ({
    metadata: {
      name: `edgenode-${box}`,
      uid: box,
      resourceVersion: '1',
      labels: { 'tidegate.io/edge-node': box },
    },
    spec: { holderIdentity: 'x', renewTime: microTime(clock.wallMs()) },
  });
  const isAlive = (name: string) => {
    const object: ClusterObject = { kind: 'EdgeNode', value: edgeNode(name) };
    const completed = life.complete(object);
    return completed.kind === 'EdgeNode' && completed.value.alive;
  };
  return { life, lease, isAlive, changes };
}

test('a box lives as an earlier process knew it, until heartbeats were read', (t) => {
  const { life, lease, isAlive, changes } = scene();
  t.true(isAlive('edge-1'), 'nothing is known');
  life.recall('edge-1', '');
  t.deepEqual(changes, ['edge-1'], 'its EdgeNode was there before');
  t.false(isAlive('edge-1'));
  life.recall('edge-2', '');
  t.false(isAlive('edge-2'));
  life.sink.replace([lease('edge-2')], '1', false);
  t.true(isAlive('edge-2'));
});

test('a box without heartbeat is dead as soon as heartbeats were read', (t) => {
  const { life, lease, isAlive, changes } = scene();
  t.true(isAlive('edge-1'));
  life.sink.replace([lease('edge-2')], '1', false);
  t.deepEqual(changes, ['edge-2', 'edge-1']);
  t.false(isAlive('edge-1'));
});
