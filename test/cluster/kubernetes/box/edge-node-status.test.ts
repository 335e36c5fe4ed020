import test from 'ava';
import {
  edgeNodeStatus,
  statusChanges,
  stoppedStatus,
  WITHHELD_MAX,
} from '../../../../src/cluster/kubernetes/box/edge-node-status.ts';
import { addressFromBigInt } from '../../../../src/domain/address.ts';
import type { BoxState, BoxVip } from '../../../../src/domain/box.ts';
import { address } from '../../../support/objects.ts';

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
const NEW = { generation: 1, drain: false, status: {} };

function vip(text: string, reason: string, services = ['shop/web']): BoxVip {
  const announced = reason === '';
  const interfaces = announced ? ['eth0'] : [];
  return {
    address: address(text),
    services,
    servable: announced || reason === 'notOwner',
    announced,
    interfaces,
    peers: [],
    reason,
  };
}

function state(fields: Partial<BoxState> = {}): BoxState {
  return {
    name: 'edge-1',
    version: '1.0.0',
    labels: {},
    roles: ['speaker'],
    readiness: { ready: true, reason: '' },
    interfaces: [],
    capacity: { flows: 1, servers: 2, backends: 3 },
    vips: [],
    ...fields,
  };
}

// biome-ignore lint/suspicious/noExplicitAny: JSON as it is written
const read = (status: unknown): any => status;

test('edgeNodeStatus() counts addresses and tells which are withheld, but not who owns the others', (t) => {
  const vips = [
    vip('192.0.2.1', ''),
    vip('192.0.2.2', 'notOwner'),
    vip('192.0.2.3', 'noEndpoints', ['shop/a', 'shop/b']),
    vip('192.0.2.4', 'noMatchingAdvertisement'),
    vip('192.0.2.5', 'serviceDeleted'),
    vip('192.0.2.6', 'backendsFailing'),
  ];
  const status = read(edgeNodeStatus(state({ vips }), NEW, NOW_MS));
  t.deepEqual(status.vips, { announced: 1, serving: 2, total: 6 });
  t.deepEqual(
    status.withheld.map((one: Record<string, string>) => Object.values(one).join(' ')),
    [
      '192.0.2.6 shop/web backendsFailing',
      '192.0.2.3 shop/a noEndpoints',
      '192.0.2.3 shop/b noEndpoints',
      '192.0.2.4 shop/web noMatchingAdvertisement',
    ],
  );
});

test('edgeNodeStatus() tells of as many withheld addresses as fit, those first that others must know', (t) => {
  const first = address('10.0.0.0');
  const many = Array.from({ length: 2 * WITHHELD_MAX }, (_, i) => ({
    ...vip('10.0.0.0', i === 500 ? 'backendsUnreachable' : 'noEndpoints'),
    address: addressFromBigInt(first + BigInt(i)),
  }));
  const { withheld } = read(edgeNodeStatus(state({ vips: many }), NEW, NOW_MS));
  t.is(withheld.length, WITHHELD_MAX);
  t.is(withheld[0].reason, 'backendsUnreachable');
});

test('conditions keep their time while they stay, and those of others stay', (t) => {
  const foreign = { type: 'example.com/Audited', status: 'True', reason: 'x', message: '' };
  const first = read(
    edgeNodeStatus(state(), { ...NEW, status: { conditions: [foreign] } }, NOW_MS),
  );
  const later = { generation: 2, drain: true, status: first };
  const second = read(
    edgeNodeStatus(state({ vips: [vip('192.0.2.1', '')] }), later, NOW_MS + 5000),
  );
  const told = second.conditions.map(
    (one: Record<string, string>) => `${one['type']} ${one['status']} ${one['lastTransitionTime']}`,
  );
  t.deepEqual(told, [
    'Ready True 2026-01-02T03:04:05Z',
    'Draining True 2026-01-02T03:04:10Z',
    'example.com/Audited True undefined',
  ]);
  t.is(second.conditions[0].observedGeneration, 2);
});

test('edgeNodeStatus() says why a box is not ready, and stoppedStatus() that it has stopped', (t) => {
  const reason = 'No Ethernet interface is up';
  const before = read(edgeNodeStatus(state({ readiness: { ready: false, reason } }), NEW, NOW_MS));
  t.like(before.conditions[0], { status: 'False', reason: 'NotReady', message: reason });
  const after = read(stoppedStatus({ ...NEW, status: before }, NOW_MS));
  t.deepEqual(
    after.conditions.map(({ reason }: { reason: string }) => reason),
    ['Stopped', 'NotAsked'],
  );
  t.is(after.version, '1.0.0');
});

test('statusChanges() patches the fields that differ, whatever the order of names', (t) => {
  const before = { vips: { total: 1, serving: 1 }, version: '1', old: 1 };
  const now = { vips: { serving: 1, total: 1 }, version: '2' };
  t.deepEqual(statusChanges(before, now), { version: '2', old: null });
  t.is(statusChanges(before, { ...before }), undefined);
});
