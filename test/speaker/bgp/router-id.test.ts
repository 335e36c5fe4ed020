import test from 'ava';
import { chooseRouterId } from '../../../src/speaker/bgp/router-id.ts';
import { address } from '../../support/objects.ts';

const own = (...texts: string[]) =>
  texts.map((text) => ({ ifindex: 2, address: address(text), prefixLength: 24 }));

test('chooseRouterId() takes the settings, else the first IPv4 address, else the name', (t) => {
  const set = chooseRouterId(address('10.0.0.9'), own('192.0.2.2'), 'edge-1');
  t.deepEqual(set, { routerId: 0x0a00_0009, origin: 'settings' });
  const found = chooseRouterId(undefined, own('192.0.2.2', '2001:db8::1'), 'edge-1');
  t.deepEqual(found, { routerId: 0xc000_0202, origin: 'address' });
  const named = chooseRouterId(undefined, own('2001:db8::1'), 'edge-1');
  t.is(named.origin, 'name');
  t.true(named.routerId > 0 && named.routerId <= 0xffff_ffff);
  t.deepEqual(chooseRouterId(undefined, [], 'edge-1'), named);
  t.not(chooseRouterId(undefined, [], 'edge-2').routerId, named.routerId);
});
