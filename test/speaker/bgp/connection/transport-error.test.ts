import test from 'ava';
import { describeTransportError } from '../../../../src/speaker/bgp/connection/transport-error.ts';
import { plannedPeer } from '../scene.ts';

const PEER = plannedPeer('tor', '192.0.2.1');
const SECRET = { ...PEER, password: () => new Uint8Array([1]) };

test('describeTransportError() suspects the password when nobody answers', (t) => {
  t.regex(describeTransportError('ETIMEDOUT', '192.0.2.1', SECRET, false), /the password differs/);
  t.regex(describeTransportError('ETIMEDOUT', '192.0.2.1', PEER, false), /expects a password/);
});

test('describeTransportError() names the peer and what may be wrong', (t) => {
  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'EIO'])
    t.regex(
      describeTransportError(code, '192.0.2.1 port 179', PEER, false),
      /192\.0\.2\.1 port 179/,
    );
  t.regex(describeTransportError('EHOSTUNREACH', '192.0.2.1', PEER, false), /ebgpMultiHop/);
  t.regex(describeTransportError('EADDRNOTAVAIL', '192.0.2.1', PEER, false), /source address/);
  const unnumbered = plannedPeer('leaf', '192.0.2.1', {
    remote: { kind: 'interface', name: 'eth7' },
  });
  t.regex(describeTransportError('ENODEV', 'interface eth7', unnumbered, false), /"eth7"/);
});

test('describeTransportError() guesses nothing of a session that was up', (t) => {
  t.is(
    describeTransportError('ECONNRESET', '192.0.2.1', SECRET, true),
    'The connection to 192.0.2.1 broke: ECONNRESET',
  );
});
