import test from 'ava';
import { formatAddress } from '../../src/domain/address.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import type { VipAnnouncement } from '../../src/domain/observed.ts';
import { EMPTY_SNAPSHOT } from '../../src/domain/snapshot.ts';
import { createAnnouncer } from '../../src/speaker/announcer.ts';
import type { Ports } from '../../src/speaker/l2/ports.ts';
import type { Report } from '../../src/speaker/report.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { address, edgeNode, service, status, vipServing } from '../support/objects.ts';
import { recordingLog } from '../support/recording-log.ts';

const OWN = '192.0.2.100';
const OTHERS = '192.0.2.101';

/** A speaker that starts with the report that an earlier one left. */
function scene(
  left: Readonly<Record<string, boolean>>,
  peers: Readonly<Record<string, string[]>> = {},
) {
  const current = new Map<string, VipAnnouncement>(
    Object.entries(left).map(([text, announced]) => [
      text,
      {
        address: address(text),
        announced,
        interfaces: announced ? ['front'] : [],
        peers: [],
        reason: '',
        sinceMs: 0,
      },
    ]),
  );
  const report: Report = {
    current: () => current,
    set(changes) {
      for (const [text, state] of changes) {
        if (state) current.set(text, { ...state, sinceMs: 0 });
        else current.delete(text);
      }
    },
    close: async () => {},
  };
  const announcing = new Set<string>();
  const ports = {
    announce: (vip) => announcing.add(formatAddress(vip)),
    withdraw: (vip) => announcing.delete(formatAddress(vip)),
    announcing: (vip) => (announcing.has(formatAddress(vip)) ? ['front'] : []),
    canAnnounce: () => true,
    failures: () => [],
  } as Partial<Ports> as Ports;
  const clock = fakeClock();
  const routing = {
    peersOf: (text: string) => peers[text] ?? [],
    reasonOf: () => 'noBgpSession',
    stop: async () => {},
  };
  const announcer = createAnnouncer({
    ports,
    routing,
    report,
    settings: {
      loadBalancer: { class: 'tidegate.io/tidegate', handleUnclassed: true },
      box: { name: 'edge-1', labels: {} },
    },
    clock,
    log: recordingLog(),
    onForgotten: () => {},
  });
  return { announcer, announcing: () => [...announcing].sort() };
}

const serving = KeyedMap.from(
  [OWN, OTHERS].map((text) => [text, vipServing(text, { service: `default/${text}` })]),
);

test('before the cluster was read, a box announces what it did, and nothing of others', async (t) => {
  const { announcer, announcing } = scene({ [OWN]: true, [OTHERS]: false });
  announcer.plan(EMPTY_SNAPSHOT, serving, []);
  await new Promise(setImmediate);
  t.deepEqual(announcing(), [OWN]);
  const keys = [OWN, OTHERS].map((text) => [`default/${text}`, text] as const);
  const read = {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    services: KeyedMap.from(keys.map(([key, text]) => [key, service(text)])),
    statuses: KeyedMap.from(keys.map(([key, text]) => [key, status([text])])),
    edgeNodes: KeyedMap.from([['edge-1', edgeNode('edge-1')]]),
  };
  announcer.plan(read, serving, []);
  await new Promise(setImmediate);
  t.deepEqual(announcing(), [OWN, OTHERS], 'it is the only box');
});

test('after a clean stop or a reboot, nothing is announced before the cluster was read', async (t) => {
  for (const left of [{}, { [OWN]: false }]) {
    const { announcer, announcing } = scene(left);
    announcer.plan(EMPTY_SNAPSHOT, serving, []);
    await new Promise(setImmediate);
    t.deepEqual(announcing(), []);
  }
});
