import test from 'ava';
import { readinessOf, vipsOf } from '../../src/app/publish-box.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import type { PlannedAnnouncement } from '../../src/plan/announcing/plan-address.ts';
import { address } from '../support/objects.ts';

test('readinessOf() says what is missing for serving', (t) => {
  const speaker = { readiness: () => ({ ready: true, reason: '' }) };
  const mute = { readiness: () => ({ ready: false, reason: 'No Ethernet interface is up' }) };
  t.true(readinessOf(speaker, { ready: true, atMs: 1 }).ready);
  t.deepEqual(readinessOf(mute, { ready: true }), mute.readiness());
  t.is(readinessOf(speaker, { ready: false }).reason, 'The forwarder is not ready');
  t.is(readinessOf(speaker, undefined).reason, 'No forwarder has reported yet');
});

function planned(vip: string, reason: string): [string, PlannedAnnouncement] {
  return [
    vip,
    {
      address: address(vip),
      announce: reason === '',
      reason,
      services: ['shop/web'],
      interfaces: undefined,
      owner: '',
      advertisements: [],
    },
  ];
}

test('vipsOf() joins what is planned, announced and forwarded', (t) => {
  const [vip, other] = ['192.0.2.1', '192.0.2.2'];
  const speaker = {
    planned: () => KeyedMap.from([planned(vip, ''), planned(other, 'noEndpoints')]),
    announcements: () =>
      new Map([
        [
          vip,
          {
            address: address(vip),
            announced: true,
            interfaces: ['eth0'],
            peers: [],
            reason: '',
            sinceMs: 1,
          },
        ],
      ]),
  };
  const vips = vipsOf(speaker, new Map([[vip, { servable: true }]]));
  vips.sort((a, b) => (a.address < b.address ? -1 : 1));
  t.deepEqual(vips, [
    {
      address: address(vip),
      services: ['shop/web'],
      servable: true,
      announced: true,
      interfaces: ['eth0'],
      peers: [],
      reason: '',
    },
    {
      address: address(other),
      services: ['shop/web'],
      servable: false,
      announced: false,
      interfaces: [],
      peers: [],
      reason: 'noEndpoints',
    },
  ]);
});
