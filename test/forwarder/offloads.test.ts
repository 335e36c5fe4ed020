import test from 'ava';
import { hidingOffloads } from '../../src/forwarder/offloads.ts';
import type { Feature } from '../../src/system/ethtool.ts';
import { link } from '../support/fake-rtnetlink.ts';

const ETH0 = link(2, 'eth0');
const VLAN = link(3, 'eth0.100', { kind: 'vlan', parent: 2, vlan: { tpid: 0x8100, vid: 100 } });
const ALL = ['rx-lro', 'rx-gro-hw', 'rx-vlan-hw-parse', 'rx-vlan-stag-hw-parse', 'rx-gro'];

const reading = (names: readonly string[], fields: Partial<Feature> = {}) => {
  const feature = { active: true, fixed: false, ...fields };
  return () => new Map(names.map((name) => [name, feature]));
};

test('hidingOffloads() names what merges packets, with the command that turns it off', (t) => {
  t.deepEqual(hidingOffloads(ETH0, [ETH0], reading(ALL)), [
    'Interface "eth0" has rx-lro on, which merges packets before XDP sees them; ' +
      'turn it off: ethtool -K eth0 lro off',
    'Interface "eth0" has rx-gro-hw on, which merges packets before XDP sees them; ' +
      'turn it off: ethtool -K eth0 rx-gro-hw off',
  ]);
});

test('hidingOffloads() names what takes tags off only where VLAN devices exist', (t) => {
  const vlanOnly = reading(['rx-vlan-hw-parse', 'rx-vlan-stag-hw-parse']);
  t.deepEqual(hidingOffloads(ETH0, [ETH0, { ...VLAN, parent: 9 }], vlanOnly), []);
  t.deepEqual(
    hidingOffloads(ETH0, [ETH0, VLAN], vlanOnly).map((each) => each.replace(/.*: /, '')),
    ['ethtool -K eth0 rxvlan off', 'ethtool -K eth0 rx-vlan-stag-hw-parse off'],
  );
});

test('hidingOffloads() says when the driver does not let it be turned off', (t) => {
  const [problem = ''] = hidingOffloads(ETH0, [ETH0], reading(['rx-lro'], { fixed: true }));
  t.regex(problem, /its driver does not let it be turned off/);
});

test('hidingOffloads() finds none where all is off, or where it cannot be read', (t) => {
  t.deepEqual(hidingOffloads(ETH0, [ETH0, VLAN], reading(ALL, { active: false })), []);
  const gone = () => {
    throw Object.assign(new Error('No such device'), { code: 'ENODEV' });
  };
  t.deepEqual(hidingOffloads(ETH0, [ETH0], gone), []);
});
