import { fileURLToPath } from 'node:url';
import test from 'ava';
import { createLab, type Lab } from '../../lab/lab.ts';
import { readFeatures, setFeature } from '../../src/system/ethtool.ts';

let lab: Lab;

test.before(() => {
  lab = createLab();
});

test.after.always(() => lab?.remove());

test('readFeatures() knows what is on, and what nobody can change', (t) => {
  const features = readFeatures('lo');
  t.true(features.size > 40);
  t.like(features.get('rx-lro'), { active: false, fixed: true });
  t.like(features.get('tx-checksum-ip-generic'), { active: true, fixed: true });
});

test('an interface that does not exist is told by its code', (t) => {
  t.throws(() => readFeatures('tg-none'), { code: 'ENODEV' });
  t.throws(() => setFeature('tg-none', 'rx-gro', true), { code: 'ENODEV' });
  t.throws(() => readFeatures('a-name-that-is-too-long'), { code: 'EINVAL' });
});

test('setFeature() turns one on and off; a real veth hides nothing from XDP', async (t) => {
  const [left, right] = [lab.host('left'), lab.host('right')];
  lab.cable({ host: left, name: 'eth0' }, { host: right, name: 'eth0' });
  const program = fileURLToPath(new URL('ethtool-program.ts', import.meta.url));
  const { stdout, stderr } = await left.finish([process.execPath, program]);
  t.deepEqual(JSON.parse(stdout || JSON.stringify(stderr)), {
    rxGro: [false, true, false],
    hiding: [],
  });
});
