import test from 'ava';
import {
  connectOptionsOf,
  sessionConfigOf,
} from '../../../../src/speaker/bgp/session/session-config-of.ts';
import { address } from '../../../support/objects.ts';
import { plannedPeer } from '../scene.ts';

const RESTART = { restartTimeSec: 120, restarting: false, forwarding: true };
type Fields = Parameters<typeof plannedPeer>[2];

function config(at: string, fields: Fields = {}) {
  return sessionConfigOf(plannedPeer('tor', at, fields).peer, 7, RESTART);
}

test('sessionConfigOf() takes the family of the address, or both where asked for', (t) => {
  t.deepEqual(config('192.0.2.1').families, [4]);
  t.deepEqual(config('2001:db8::1').families, [6]);
  t.deepEqual(config('192.0.2.1', { bothFamilies: true }).families, [4, 6]);
  t.deepEqual(
    config('192.0.2.1', { remote: { kind: 'interface', name: 'eth0' } }).families,
    [4, 6],
  );
  t.false(config('192.0.2.1', { bothFamilies: true }).extendedNextHop);
  t.true(config('2001:db8::1', { bothFamilies: true }).extendedNextHop);
});

test('sessionConfigOf() puts the local AS and the router ID of the peer first', (t) => {
  t.like(config('192.0.2.1'), { localAsn: 64500, routerId: 7, gracefulRestart: undefined });
  t.like(config('192.0.2.1', { localAsn: 65000, routerId: 9, gracefulRestart: true }), {
    localAsn: 65000,
    routerId: 9,
    gracefulRestart: RESTART,
  });
});

test('connectOptionsOf() sends as far as the peer may be away, and hears no farther', (t) => {
  const options = (fields: Fields) =>
    connectOptionsOf(plannedPeer('tor', '192.0.2.1', fields), address('192.0.2.1'));
  t.like(options({}), { ttl: 1, port: 179, local: undefined, md5: undefined });
  t.is(options({}).minTtl, undefined);
  t.is(options({ multihop: true }).ttl, 255);
  t.is(options({ peerAsn: 64500 }).ttl, 255);
  t.is(options({ peerAsn: 'internal' }).ttl, 255);
  t.like(options({ ttlSecurityHops: 1 }), { ttl: 255, minTtl: 255 });
  t.like(options({ ttlSecurityHops: 3, vrf: 'red', sourceAddress: address('192.0.2.2') }), {
    ...{ ttl: 255, minTtl: 253, device: 'red', local: address('192.0.2.2') },
  });
});
