import test from 'ava';
import { formatAddress } from '../../../../src/domain/address.ts';
import {
  isOnLink,
  ownAddressesOf,
  watchOwnAddresses,
} from '../../../../src/speaker/bgp/place/own-addresses.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { fakeRtnetlink, interfaceAddress, link, settle } from '../../../support/fake-rtnetlink.ts';
import { address } from '../../../support/objects.ts';
import { recordingLog } from '../../../support/recording-log.ts';

test('ownAddressesOf() leaves out loopback and what may not be used yet', (t) => {
  const tentative = { ...interfaceAddress(2, '2001:db8::9'), isUsable: false };
  const own = ownAddressesOf([
    ...['127.0.0.1', '::1'].map((text) => interfaceAddress(1, text)),
    ...['2001:db8::2', '192.0.2.2', 'fe80::2'].map((text) => interfaceAddress(2, text)),
    tentative,
  ]);
  t.deepEqual(
    own.map((one) => formatAddress(one.address)),
    ['192.0.2.2', '2001:db8::2', 'fe80::2'],
  );
});

test('isOnLink() tells neighbours from those who are routers away', (t) => {
  const own = [
    { ifindex: 2, address: address('192.0.2.2'), prefixLength: 24 },
    { ifindex: 2, address: address('2001:db8::2'), prefixLength: 64 },
  ];
  t.true(isOnLink(address('192.0.2.77'), own));
  t.false(isOnLink(address('192.0.3.77'), own));
  t.true(isOnLink(address('2001:db8::ffff'), own));
  t.false(isOnLink(address('2001:db8:0:1::1'), own));
  t.true(isOnLink(address('fe80::1'), []));
});

test('watchOwnAddresses() follows what comes and goes, a moment later and once', async (t) => {
  const clock = fakeClock();
  const rtnetlink = fakeRtnetlink();
  let changes = 0;
  const own = await watchOwnAddresses(rtnetlink.open, clock, recordingLog(), {
    onChange: () => {
      changes += 1;
    },
    onLinkUp: () => t.fail(),
  });
  t.is(own.current().length, 1);
  rtnetlink.addresses.push(interfaceAddress(2, '192.0.2.2'));
  rtnetlink.tell({ kind: 'lost' });
  rtnetlink.tell({ kind: 'lost' });
  clock.advance(1000);
  await settle();
  t.is(changes, 1);
  t.is(own.current().length, 2);
  rtnetlink.dumpFailure = 'ENOBUFS';
  rtnetlink.addresses.pop();
  rtnetlink.tell({ kind: 'lost' });
  clock.advance(1000);
  await settle();
  t.is(own.current().length, 2);
  rtnetlink.dumpFailure = undefined;
  clock.advance(1000);
  await settle();
  t.is(own.current().length, 1, 'it was tried again');
  own.close();
});

test('watchOwnAddresses() tells when an interface comes up, and of nothing else that happens to it', async (t) => {
  const rtnetlink = fakeRtnetlink();
  let ups = 0;
  const own = await watchOwnAddresses(rtnetlink.open, fakeClock(), recordingLog(), {
    onChange: () => t.fail(),
    onLinkUp: () => {
      ups += 1;
    },
  });
  const seen = (isRunning: boolean, removed = false) => {
    rtnetlink.tell({ kind: 'link', link: link(2, 'eth0', { isRunning }), removed });
    return ups;
  };
  t.is(seen(false), 0);
  t.is(seen(true), 1);
  t.is(seen(true), 1);
  t.is(seen(false), 1);
  t.is(seen(true), 2);
  t.is(seen(true, true), 2);
  own.close();
  t.is(seen(true), 2);
});
