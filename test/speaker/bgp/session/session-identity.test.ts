import test from 'ava';
import { sessionIdentity } from '../../../../src/speaker/bgp/session/session-identity.ts';
import { bfdProfile } from '../../../support/bgp-objects.ts';
import { address } from '../../../support/objects.ts';
import { plannedPeer } from '../scene.ts';

const BASE = plannedPeer('tor', '192.0.2.1');
const password = (text: string) => () => new TextEncoder().encode(text);

test('sessionIdentity() is another for what a session is made with', (t) => {
  const others = [
    plannedPeer('tor', '192.0.2.9'),
    plannedPeer('tor', '192.0.2.1', { myAsn: 64999 }),
    plannedPeer('tor', '192.0.2.1', { peerAsn: 'external' }),
    plannedPeer('tor', '192.0.2.1', { sourceAddress: address('192.0.2.2') }),
    plannedPeer('tor', '192.0.2.1', { holdTimeMs: 9000 }),
    plannedPeer('tor', '192.0.2.1', { keepaliveMs: 3000 }),
    plannedPeer('tor', '192.0.2.1', { bothFamilies: true }),
    plannedPeer('tor', '192.0.2.1', { remote: { kind: 'interface', name: 'eth0' } }),
    plannedPeer('tor', '192.0.2.1', { ttlSecurityHops: 1 }),
    plannedPeer('tor', '192.0.2.1', { passive: true }),
    plannedPeer('tor', '192.0.2.1', {}, { password: password('one') }),
    plannedPeer('tor', '192.0.2.1', {}, { password: password('two') }),
  ].map(sessionIdentity);
  t.is(new Set([...others, sessionIdentity(BASE)]).size, others.length + 1);
});

test('sessionIdentity() is the same for the rest, and shows no password', (t) => {
  for (const same of [
    plannedPeer('tor', '192.0.2.1', { labels: { a: 'b' }, connectRetryMs: 1000 }),
    plannedPeer('tor', '192.0.2.1', { localAsn: 64500, myAsn: 1 }),
    plannedPeer('tor', '192.0.2.1', {}, { bfd: bfdProfile('fast') }),
  ])
    t.is(sessionIdentity(same), sessionIdentity(BASE));
  const secret = plannedPeer('tor', '192.0.2.1', {}, { password: password('one') });
  t.false(sessionIdentity(secret).includes('one'));
  t.false(sessionIdentity(secret).includes(Buffer.from('one').toString('hex')));
});
