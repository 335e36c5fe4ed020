import test from 'ava';
import { interfacesOf, SETTLE_MS, watchBoxInterfaces } from '../../src/app/box-interfaces.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { fakeRtnetlink, interfaceAddress, link } from '../support/fake-rtnetlink.ts';
import { address } from '../support/objects.ts';
import { recordingLog } from '../support/recording-log.ts';

test('interfacesOf() shows those by which others reach the box', (t) => {
  const links = [
    link(3, 'eth1'),
    link(2, 'eth0'),
    link(1, 'lo', { isLoopback: true }),
    link(4, 'down', { isUp: false }),
    link(5, 'cali1'),
    link(6, 'tun0', { mac: undefined }),
  ];
  const addresses = [
    interfaceAddress(1, '127.0.0.1'),
    interfaceAddress(2, '2001:db8::2'),
    interfaceAddress(2, '192.0.2.2'),
    interfaceAddress(2, 'fe80::2'),
    interfaceAddress(3, '198.51.100.3'),
    interfaceAddress(4, '192.0.2.4'),
    interfaceAddress(5, '169.254.1.1'),
    interfaceAddress(6, '192.0.2.6'),
  ];
  t.deepEqual(interfacesOf(links, addresses), [
    {
      name: 'eth0',
      mac: '02:00:00:00:00:02',
      addresses: [address('192.0.2.2'), address('2001:db8::2')],
    },
    { name: 'eth1', mac: '02:00:00:00:00:03', addresses: [address('198.51.100.3')] },
  ]);
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('watchBoxInterfaces() tells of changes that show, collected', async (t) => {
  const clock = fakeClock();
  const fake = fakeRtnetlink();
  fake.links.splice(0, fake.links.length, link(2, 'eth0'));
  fake.addresses.splice(0);
  let changes = 0;
  const watch = watchBoxInterfaces(fake.open, clock, recordingLog(), () => {
    changes += 1;
  });
  const pass = async () => {
    clock.advance(SETTLE_MS);
    await turn();
  };
  await pass();
  t.is(changes, 0);
  fake.addresses.push(interfaceAddress(2, '192.0.2.2'));
  for (const kind of ['policy', 'lost', 'lost'] as const) fake.tell({ kind });
  await pass();
  t.is(changes, 1);
  t.deepEqual(watch.current()[0]?.addresses, [address('192.0.2.2')]);
  fake.tell({ kind: 'lost' });
  await pass();
  t.is(changes, 1, 'nothing else than before');
  fake.dumpFailure = 'EBUSY';
  fake.addresses.push(interfaceAddress(2, '192.0.2.3'));
  fake.tell({ kind: 'lost' });
  await pass();
  fake.dumpFailure = undefined;
  await pass();
  t.is(changes, 2, 'tried again');
  watch.close();
});
