import test from 'ava';
import type { Concerned } from '../../src/controller/observed.ts';
import { observeBoxes } from '../../src/controller/observed-boxes.ts';
import type { EdgeNode, WithheldVip } from '../../src/domain/edge-node.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/domain/snapshot.ts';
import { address as addr, edgeNode, service } from '../support/objects.ts';

const WEB = 'default/web';
const VIP = addr('192.0.2.1');

/** A cluster of boxes that a test changes. */
function world() {
  let snapshot: Snapshot = EMPTY_SNAPSHOT;
  const listeners = new Set<(snapshot: Snapshot) => void>();
  const told: Concerned[] = [];
  const observed = observeBoxes({
    current: () => snapshot,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  });
  observed.subscribe((concerned) => void told.push(concerned));
  const change = (fields: Partial<Snapshot>) => {
    snapshot = { ...snapshot, ...fields, revision: snapshot.revision + 1 };
    for (const listener of listeners) listener(snapshot);
  };
  return {
    observed,
    told,
    listeners,
    box(name: string, fields: Partial<EdgeNode> = {}) {
      change({ edgeNodes: snapshot.edgeNodes.with(name, edgeNode(name, fields)) });
    },
    announce(box: string, of: string, interfaces: readonly string[] = ['eth0']) {
      const status = { ...service(`l2-${box}`), node: box, service: of, interfaces, ofBox: true };
      change({ l2Statuses: snapshot.l2Statuses.with(`${box} ${of}`, status) });
    },
    peer(box: string, of: string, peers: readonly string[]) {
      const status = { ...service(`bgp-${box}`), node: box, service: of, peers, ofBox: true };
      change({ bgpStatuses: snapshot.bgpStatuses.with(`${box} ${of}`, status) });
    },
    unpeer(box: string, of: string) {
      change({ bgpStatuses: snapshot.bgpStatuses.without(`${box} ${of}`) });
    },
    withdraw(box: string, of: string) {
      change({ l2Statuses: snapshot.l2Statuses.without(`${box} ${of}`) });
    },
  };
}

function withheld(reason: string, address = '192.0.2.1', message = ''): WithheldVip {
  return { address, service: WEB, reason, message };
}

test('observeBoxes() says which living boxes announce an address', (t) => {
  const { observed, box, announce } = world();
  t.like(observed.announced(WEB, VIP), { status: 'Unknown', reason: 'noBoxAlive' });
  box('edge-1');
  t.like(observed.announced(WEB, VIP), { status: 'False', reason: 'NotAnnounced' });
  announce('edge-1', WEB, ['eth0', 'eth1']);
  t.deepEqual(observed.announced(WEB, VIP), {
    status: 'True',
    reason: 'Announced',
    message: '192.0.2.1 by edge-1 (eth0, eth1)',
  });
  t.deepEqual(observed.announcers(WEB), ['edge-1']);
  box('edge-1', { alive: false });
  t.deepEqual(observed.announcers(WEB), []);
  t.like(observed.announced(WEB, VIP), { status: 'Unknown', reason: 'noBoxAlive' });
});

test('observeBoxes() says to which BGP peers boxes announce an address', (t) => {
  const { observed, told, box, announce, withdraw, peer, unpeer } = world();
  box('edge-1');
  box('edge-2');
  peer('edge-2', WEB, ['tor-a']);
  t.deepEqual(told.at(-1), { services: new Set([WEB]) });
  t.like(observed.announced(WEB, VIP), {
    status: 'True',
    message: '192.0.2.1 by edge-2 (BGP peer tor-a)',
  });
  announce('edge-1', WEB);
  peer('edge-1', WEB, ['tor-a', 'tor-b']);
  t.is(
    observed.announced(WEB, VIP).message,
    '192.0.2.1 by edge-1 (eth0; BGP peers tor-a, tor-b), edge-2 (BGP peer tor-a)',
  );
  t.deepEqual(observed.announcers(WEB), ['edge-1', 'edge-2']);
  // The address is free only when it is announced by neither way.
  withdraw('edge-1', WEB);
  unpeer('edge-2', WEB);
  t.deepEqual(observed.announcers(WEB), ['edge-1']);
  unpeer('edge-1', WEB);
  t.deepEqual(observed.announcers(WEB), []);
  t.like(observed.announced(WEB, VIP), { status: 'False', reason: 'NotAnnounced' });
});

test('observeBoxes() says why boxes withhold an address, each for itself', (t) => {
  const { observed, box, announce } = world();
  box('edge-2', { withheld: [withheld('noEndpoints')] });
  box('edge-1', { withheld: [withheld('noInterface', '192.0.2.1', 'no link in its network')] });
  t.deepEqual(observed.announced(WEB, VIP), {
    status: 'False',
    reason: 'noInterface',
    message:
      '192.0.2.1 is not announced (edge-1: no link in its network, edge-2: noEndpoints). See by "tidegate explain service" what is missing',
  });
  announce('edge-2', WEB);
  t.is(observed.announced(WEB, VIP).status, 'False');
  t.is(observed.announced(WEB, addr('2001:db8::1')).status, 'True');
});

test('observeBoxes() names only some of many boxes', (t) => {
  const { observed, box } = world();
  for (let index = 1; index <= 6; index++)
    box(`edge-${index}`, { withheld: [withheld('noEndpoints')] });
  t.regex(observed.announced(WEB, VIP).message, /edge-4: noEndpoints and 2 more\)/);
});

test('observeBoxes() tells serving from announcing', (t) => {
  const { observed, box, announce } = world();
  t.like(observed.serving(WEB, VIP), { status: 'Unknown', reason: 'noBoxAlive' });
  box('edge-1', { withheld: [withheld('noEndpoints')] });
  t.like(observed.serving(WEB, VIP), { status: 'False', reason: 'noEndpoints' });
  box('edge-2', { withheld: [withheld('noInterface')] });
  t.like(observed.serving(WEB, VIP), { status: 'True' });
  box('edge-2');
  t.like(observed.serving(WEB, VIP), { status: 'False' });
  announce('edge-2', WEB);
  t.like(observed.serving(WEB, VIP), { status: 'True', reason: 'Serving' });
  t.like(observed.serving('default/other', VIP), { status: 'Unknown', reason: 'notReported' });
});

test('observeBoxes() tells of the Services concerned, and of all when a box comes or goes', (t) => {
  const { observed, told, box, announce, withdraw, listeners } = world();
  const services = () => {
    const last = told.at(-1);
    return last !== undefined && last !== 'all' && 'services' in last ? [...last.services] : last;
  };
  box('edge-1');
  t.is(services(), 'all');
  announce('edge-1', WEB);
  t.deepEqual(services(), [WEB]);
  box('edge-1', { withheld: [withheld('noEndpoints')], drain: true });
  t.deepEqual(services(), [WEB]);
  const before = told.length;
  box('edge-1', { withheld: [withheld('noEndpoints')], labels: { a: 'b' } });
  announce('edge-1', 'default/b');
  t.deepEqual(services(), ['default/b']);
  withdraw('edge-1', WEB);
  t.deepEqual(services(), [WEB]);
  box('edge-1', { alive: false });
  t.is(services(), 'all');
  t.true(told.length > before);
  observed.close();
  t.is(listeners.size, 0);
});
