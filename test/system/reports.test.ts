import test from 'ava';
import {
  decodeAnnouncement,
  decodeServing,
  encodeAnnouncement,
  encodeServing,
} from '../../src/system/reports.ts';
import { address } from '../support/objects.ts';

const SERVING = {
  address: address('2001:db8::1'),
  service: 'default/web',
  servable: false,
  usableBackends: 0,
  backends: 3,
  reason: 'noEndpoints',
  revision: 7,
};

const ANNOUNCEMENT = {
  address: address('192.0.2.1'),
  announced: true,
  interfaces: ['eth0', 'eth1'],
  peers: [],
  reason: '',
  sinceMs: 1000,
};

test('reports read back what was written, as JSON', (t) => {
  t.deepEqual(decodeServing(JSON.parse(JSON.stringify(encodeServing(SERVING)))), SERVING);
  t.deepEqual(
    decodeAnnouncement(JSON.parse(JSON.stringify(encodeAnnouncement(ANNOUNCEMENT)))),
    ANNOUNCEMENT,
  );
});

test('a field that a newer version adds does no harm', (t) => {
  t.deepEqual(decodeServing({ ...(encodeServing(SERVING) as object), extra: [1] }), SERVING);
});

test('an entry that is not understood is none', (t) => {
  for (const json of [undefined, null, 1, 'text', [], {}]) {
    t.is(decodeServing(json), undefined);
    t.is(decodeAnnouncement(json), undefined);
  }
  const serving = encodeServing(SERVING) as Record<string, string>;
  for (const field of Object.keys(SERVING))
    t.is(decodeServing({ ...serving, [field]: {} }), undefined, field);
  const announcement = encodeAnnouncement(ANNOUNCEMENT) as Record<string, string>;
  for (const field of Object.keys(ANNOUNCEMENT))
    t.is(decodeAnnouncement({ ...announcement, [field]: [1] }), undefined, field);
  t.is(decodeServing({ ...serving, address: '192.0.2.256' }), undefined);
});
