import test from 'ava';
import { microTime } from '../../../../src/cluster/kubernetes/box/lease-fields.ts';
import { createLiveness } from '../../../../src/cluster/kubernetes/box/liveness.ts';
import type { KubeObject } from '../../../../src/cluster/kubernetes/kube-object.ts';
import { fakeClock } from '../../../support/fake-clock.ts';

const LIFETIME_MS = 10_000;

function lease(box: string, renewedMs: number, holder = `${box}-process`): KubeObject {
  return {
    metadata: {
      name: `edgenode-${box}`,
      namespace: 'tidegate-system',
      uid: box,
      resourceVersion: '1',
      labels: { 'tidegate.io/edge-node': box },
    },
    spec: { holderIdentity: holder, renewTime: microTime(renewedMs) },
  };
}

/** `dead`: as an earlier process saw boxes die, with their last heartbeats. */
function scene(dead: Readonly<Record<string, string>> = {}) {
  const clock = fakeClock();
  const changes: string[] = [];
  const liveness = createLiveness({
    lifetimeMs: LIFETIME_MS,
    clock,
    wasDead: ({ box, renewTime }) => Object.hasOwn(dead, box) && dead[box] === renewTime,
    onChange: ({ box }, alive) => changes.push(`${box} ${alive ? 'alive' : 'dead'}`),
  });
  /** Boxes that renew, every 2 s for so long. */
  const renew = (ms: number, ...boxes: readonly string[]) => {
    for (let passed = 0; passed < ms; passed += 2000) {
      clock.advance(2000);
      for (const box of boxes)
        liveness.apply([{ type: 'MODIFIED', object: lease(box, clock.wallMs()) }]);
    }
  };
  return { clock, liveness, renew, changes };
}

test('a box is dead when only others were heard of for its lifetime', (t) => {
  const { clock, liveness, renew, changes } = scene();
  t.is(liveness.isAlive('a'), undefined);
  liveness.replace([lease('a', clock.wallMs()), lease('b', clock.wallMs())]);
  renew(20_000, 'a', 'b');
  t.deepEqual(changes, ['a alive', 'b alive']);
  renew(8000, 'a');
  t.true(liveness.isAlive('b'));
  renew(2000, 'a');
  t.false(liveness.isAlive('b'));
  renew(2000, 'a', 'b');
  t.deepEqual(changes.slice(2), ['b dead', 'b alive']);
});

test('nothing is concluded from silence: a lifetime begins anew after it', (t) => {
  const { clock, liveness, renew, changes } = scene();
  liveness.replace([lease('a', clock.wallMs()), lease('b', clock.wallMs())]);
  renew(2000, 'a', 'b');
  clock.advance(3_600_000);
  liveness.replace([lease('a', clock.wallMs()), lease('b', 0)]);
  t.true(liveness.isAlive('b'));
  renew(8000, 'a');
  t.true(liveness.isAlive('b'));
  renew(2000, 'a');
  t.deepEqual(changes, ['a alive', 'b alive', 'b dead']);
});

test('a stall shorter than that does not kill who was heard of right after it', (t) => {
  const { clock, liveness, renew, changes } = scene();
  liveness.replace([lease('a', clock.wallMs()), lease('b', clock.wallMs())]);
  renew(6000, 'a');
  clock.advance(4500);
  liveness.apply([
    { type: 'MODIFIED', object: lease('a', clock.wallMs()) },
    { type: 'MODIFIED', object: lease('b', clock.wallMs()) },
  ]);
  t.deepEqual(changes, ['a alive', 'b alive']);
});

test('a box that released its Lease is dead at once; one that takes it again lives', (t) => {
  const { clock, liveness, changes } = scene();
  liveness.replace([lease('a', clock.wallMs())]);
  clock.advance(100);
  liveness.apply([{ type: 'MODIFIED', object: lease('a', clock.wallMs(), '') }]);
  clock.advance(100);
  liveness.apply([{ type: 'MODIFIED', object: lease('a', clock.wallMs()) }]);
  t.deepEqual(changes, ['a alive', 'a dead', 'a alive']);
});

test('a Lease that is deleted, or not in a list, takes nobody away before his lifetime is over', (t) => {
  const { clock, liveness, renew } = scene();
  const gone = lease('b', clock.wallMs());
  liveness.replace([lease('a', clock.wallMs()), gone]);
  liveness.apply([{ type: 'DELETED', object: gone }]);
  liveness.replace([lease('a', clock.wallMs())]);
  t.true(liveness.isAlive('b'));
  renew(10_000, 'a');
  t.false(liveness.isAlive('b'));
});

test('at first sight a box lives for a lifetime, whatever its clock says', (t) => {
  const { clock, liveness, renew, changes } = scene();
  const never = lease('never', 0);
  liveness.replace([
    lease('behind', clock.wallMs() - 600_000),
    lease('ahead', clock.wallMs() + 600_000),
    lease('stopped', clock.wallMs(), ''),
    { ...never, spec: { holderIdentity: 'x' } },
  ]);
  t.deepEqual(changes, ['behind alive', 'ahead alive', 'stopped dead', 'never alive']);
  t.false(liveness.isAlive('unknown'));
  renew(8000, 'a');
  liveness.apply([{ type: 'MODIFIED', object: lease('behind', clock.wallMs() - 600_000) }]);
  renew(4000, 'a');
  t.deepEqual(changes.slice(4), ['a alive', 'ahead dead', 'never dead']);
});

test('who died before a restart is dead after it, until he is heard of', (t) => {
  const died = { b: microTime(0), c: microTime(0), never: microTime(0) };
  const { clock, liveness, renew, changes } = scene(died);
  clock.advance(3_600_000);
  liveness.replace([lease('a', 0), lease('b', 0), lease('c', 1)]);
  t.deepEqual(changes, ['a alive', 'b dead', 'c alive']);
  renew(2000, 'a', 'b');
  t.deepEqual(changes.slice(3), ['b alive']);
  renew(8000, 'a', 'b');
  t.deepEqual(changes.slice(4), ['c dead']);
});

test('other Leases and bookmarks are signs, but nobody’s heartbeats', (t) => {
  const { clock, liveness, changes } = scene();
  const leader = { ...lease('x', 0), metadata: { ...lease('x', 0).metadata, labels: {} } };
  liveness.replace([lease('a', clock.wallMs()), leader]);
  for (const sign of [0, 1, 2, 3, 4]) {
    clock.advance(2000);
    if (sign % 2) liveness.contact();
    else liveness.apply([{ type: 'MODIFIED', object: leader }]);
  }
  t.deepEqual(changes, ['a alive', 'a dead']);
});
