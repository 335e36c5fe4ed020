import test from 'ava';
import { sessionFamilies } from '../../../src/domain/bgp/session-families.ts';
import { bgpPeer } from '../../support/bgp-objects.ts';

test('sessionFamilies() are that of the address, or both when told or unnumbered', (t) => {
  t.deepEqual(sessionFamilies(bgpPeer('r', '192.0.2.1')), [4]);
  t.deepEqual(sessionFamilies(bgpPeer('r', '2001:db8::1')), [6]);
  t.deepEqual(sessionFamilies(bgpPeer('r', '2001:db8::1', { bothFamilies: true })), [4, 6]);
  const remote = { kind: 'interface', name: 'eth1' } as const;
  t.deepEqual(sessionFamilies(bgpPeer('r', '192.0.2.1', { remote })), [4, 6]);
});
