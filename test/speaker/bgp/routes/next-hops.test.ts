import test from 'ava';
import { formatAddress } from '../../../../src/domain/address.ts';
import type { OwnAddress } from '../../../../src/speaker/bgp/place/own-addresses.ts';
import {
  familiesWithoutNextHop,
  nextHopsOf,
} from '../../../../src/speaker/bgp/routes/next-hops.ts';
import { address } from '../../../support/objects.ts';

const on = (ifindex: number, ...texts: string[]): OwnAddress[] =>
  texts.map((text) => ({ ifindex, address: address(text), prefixLength: 64 }));

/** Both next hops as text: IPv4's, then IPv6's with its link-local one. */
function hops(local: string, extendedNextHop: boolean, own: OwnAddress[]): string {
  const found = nextHopsOf({ local: address(local), extendedNextHop, own });
  return ([4, 6] as const)
    .map((family) => {
      const { global, linkLocal } = found[family] ?? {};
      const texts = [global, linkLocal].flatMap((one) =>
        one === undefined ? [] : [formatAddress(one)],
      );
      return texts.join('+') || 'none';
    })
    .join(', ');
}

test('nextHopsOf() is the connection itself, and its interface for the other family', (t) => {
  const own = [
    ...on(2, '192.0.2.2', '2001:db8::2', 'fe80::2'),
    ...on(3, '10.0.0.1', '2001:db8:3::1'),
  ];
  t.is(hops('192.0.2.2', false, own), '192.0.2.2, 2001:db8::2');
  t.is(hops('2001:db8::2', false, own), '192.0.2.2, 2001:db8::2');
  t.is(hops('2001:db8:3::1', true, own), '10.0.0.1, 2001:db8:3::1');
});

test('nextHopsOf() takes the IPv6 next hop for IPv4 where that is agreed on and there is no other', (t) => {
  const own = on(2, '2001:db8::2');
  t.is(hops('2001:db8::2', true, own), '2001:db8::2, 2001:db8::2');
  t.is(hops('2001:db8::2', false, own), 'none, 2001:db8::2');
  t.is(hops('192.0.2.2', true, on(2, '192.0.2.2', 'fe80::2')), '192.0.2.2, none');
});

test('nextHopsOf() gives the link-local address of an unnumbered session with a global one', (t) => {
  t.is(hops('fe80::2', true, on(2, 'fe80::2')), 'fe80::2, fe80::2');
  t.is(
    hops('fe80::2', true, on(2, 'fe80::2', '2001:db8::2', '192.0.2.2')),
    '2001:db8::2+fe80::2, 2001:db8::2+fe80::2',
  );
  t.is(hops('fe80::2', false, on(2, 'fe80::2', '192.0.2.2')), '192.0.2.2, fe80::2');
});

test('familiesWithoutNextHop() names what a session cannot carry', (t) => {
  const none = { 4: undefined, 6: undefined };
  t.deepEqual(familiesWithoutNextHop([4, 6], none), [4, 6]);
  t.deepEqual(
    familiesWithoutNextHop([6], { ...none, 6: { global: address('::2'), linkLocal: undefined } }),
    [],
  );
});
