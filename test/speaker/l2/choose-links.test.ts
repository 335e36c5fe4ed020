import test from 'ava';
import type { Link } from '../../../src/protocol/rtnetlink/link.ts';
import { chooseLinks, unmatchedPatterns } from '../../../src/speaker/l2/choose-links.ts';
import { link as linkOf } from '../../support/fake-rtnetlink.ts';

const link = (name: string, fields: Partial<Link> = {}) => linkOf(2, name, fields);

function names(links: readonly Link[], patterns: readonly string[] = []): string[] {
  return chooseLinks(links, patterns).map(({ name }) => name);
}

for (const [what, fields] of [
  ['is down', { isUp: false, isRunning: false }],
  ['has no carrier', { isRunning: false }],
  ['is the loopback', { isLoopback: true, hardwareType: 772 }],
  ['is no Ethernet', { hardwareType: 65534, mac: undefined }],
  ['does not speak ARP', { usesArp: false }],
  ['has no MAC', { mac: undefined }],
  ['belongs to a bridge', { master: 7 }],
] as const) {
  test(`chooseLinks() leaves out an interface that ${what}, named or not`, (t) => {
    const links = [link('eth0'), link('eth1', fields), link('br0', { ifindex: 7, kind: 'bridge' })];
    t.deepEqual(names(links), ['eth0', 'br0']);
    t.deepEqual(names(links, ['eth1']), []);
  });
}

test('chooseLinks() takes a member of a VRF', (t) => {
  const vrf = link('red', { ifindex: 7, kind: 'vrf', usesArp: false });
  t.deepEqual(names([link('eth0', { master: 7 }), vrf]), ['eth0']);
});

for (const [patterns, expected] of [
  [['eth0'], ['eth0']],
  [['eth*'], ['eth0', 'eth1.5', 'eth10']],
  [['eth?'], ['eth0']],
  [['eth1.5'], ['eth1.5']],
  [['eth.*'], []],
  [['*'], ['eth0', 'eth1.5', 'eth10', 'lan+1', 'eno1']],
  [
    ['lan+1', 'eno1'],
    ['lan+1', 'eno1'],
  ],
] as const) {
  test(`chooseLinks() takes ${expected.join(' ') || 'nothing'} for ${patterns.join(' ')}`, (t) => {
    const links = ['eth0', 'eth1.5', 'eth10', 'lan+1', 'eno1'].map((name) => link(name));
    t.deepEqual(names(links, patterns), [...expected]);
  });
}

test('unmatchedPatterns() finds what names no interface, up or down', (t) => {
  const links = [link('eth0', { isUp: false })];
  t.deepEqual(unmatchedPatterns(links, ['eth0', 'eth*', 'etj0', 'wan*']), ['etj0', 'wan*']);
});
