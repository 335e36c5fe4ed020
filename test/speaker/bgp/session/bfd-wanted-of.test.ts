import test from 'ava';
import { bfdWantedOf } from '../../../../src/speaker/bgp/session/bfd-wanted-of.ts';
import { bfdProfile } from '../../../support/bgp-objects.ts';
import { address } from '../../../support/objects.ts';
import { plannedPeer } from '../scene.ts';

const OWN = [{ ifindex: 2, address: address('192.0.2.2'), prefixLength: 24 }];
const BFD = { bfd: bfdProfile('fast') };
const REMOTE = '192.0.2.1';
const FAR = '198.51.100.1';

const wanted = (at: string, ...rest: [Parameters<typeof plannedPeer>[2]?, object?]) =>
  bfdWantedOf(plannedPeer('tor', at, rest[0] ?? {}, { ...BFD, ...rest[1] }), address(at), OWN);

test('bfdWantedOf() watches across routers whom the session may be routers away from', (t) => {
  t.is(wanted(REMOTE)?.multihop, false);
  t.is(wanted(FAR)?.multihop, false, 'BGP does not get there either');
  t.is(wanted(FAR, { multihop: true })?.multihop, true);
  t.is(wanted(REMOTE, { peerAsn: 'internal' })?.multihop, false);
  t.is(wanted(FAR, { peerAsn: 64500 })?.multihop, true);
});

test('bfdWantedOf() goes by the interface, the source and the key of the peer', (t) => {
  t.like(wanted(REMOTE, { sourceAddress: address('192.0.2.2'), vrf: 'red' }), {
    ...{ remote: address(REMOTE), local: address('192.0.2.2'), interface: 'red' },
    authentication: undefined,
  });
  t.is(wanted('fe80::1', { remote: { kind: 'interface', name: 'eth0' } })?.interface, 'eth0');
  const bfdKey = () => new Uint8Array([1]);
  t.like(wanted(REMOTE, {}, { bfdKey })?.authentication, { kind: 'keyedSha1', keyId: 1 });
});

test('bfdWantedOf() watches nobody without a profile, or in whose place another is', (t) => {
  t.is(wanted(REMOTE, {}, { bfd: undefined }), undefined);
  t.is(wanted(REMOTE, {}, { refused: true }), undefined);
});
