import test from 'ava';
import { keepsOwn } from '../../../../src/protocol/bgp/session/on-open.ts';
import type { SessionConfig } from '../../../../src/protocol/bgp/session/session-config.ts';
import type { ConnectionId } from '../../../../src/protocol/bgp/session/session-event.ts';
import {
  CONFIG,
  GRACEFUL,
  KEEPALIVE,
  openOf,
  PEER,
  play,
  type Scenario,
  told,
} from './scenario.ts';

/** The peer's connections win over those of `LOW`, and lose against those of `HIGH`. */
const LOW = CONFIG;
const HIGH: SessionConfig = { ...CONFIG, routerId: PEER.routerId + 1 };

function withOpen(config: SessionConfig, ...connections: readonly ConnectionId[]): Scenario {
  const scenario = play(config);
  scenario.dispatch({ kind: 'start' });
  for (const connection of connections) scenario.connected(connection);
  return scenario;
}

function openOn(scenario: Scenario, id: ConnectionId, peer: Partial<SessionConfig> = {}): string {
  return told(scenario.message(id, openOf(peer)));
}

function connectionsOf(scenario: Scenario): string {
  return scenario
    .state()
    .connections.map(({ id, phase }) => `${id} ${phase}`)
    .join(', ');
}

test('keepsOwn() goes by router ID, and by AS when that is the same', (t) => {
  const peer = { peerRouterId: 5, peerAsn: 64513 };
  t.true(keepsOwn({ ...CONFIG, routerId: 6 }, peer));
  t.false(keepsOwn({ ...CONFIG, routerId: 4 }, peer));
  t.true(keepsOwn({ ...CONFIG, routerId: 0xffffffff }, peer));
  t.true(keepsOwn({ ...CONFIG, routerId: 5, localAsn: 64514 }, peer));
  t.false(keepsOwn({ ...CONFIG, routerId: 5, localAsn: 64512 }, peer));
});

test('onOpen() keeps the connection of the higher router ID, whichever OPEN comes first', (t) => {
  const own = withOpen(HIGH, 'out:1', 'in:1');
  t.is(openOn(own, 'in:1'), 'close in:1 with 6/7');
  openOn(own, 'out:1');
  t.is(connectionsOf(own), 'out:1 openConfirm');

  const ownFirst = withOpen(HIGH, 'out:1', 'in:1');
  t.regex(openOn(ownFirst, 'out:1'), /^close in:1 with 6\/7, keepalive on out:1/);
  t.is(connectionsOf(ownFirst), 'out:1 openConfirm');

  const theirs = withOpen(LOW, 'out:1', 'in:1');
  t.regex(openOn(theirs, 'in:1'), /^close out:1 with 6\/7, keepalive on in:1/);
  t.is(connectionsOf(theirs), 'in:1 openConfirm');
});

test('onOpen() leaves the decision to the side whose connections win until that has spoken', (t) => {
  const scenario = withOpen(LOW, 'out:1', 'in:1');
  t.regex(openOn(scenario, 'out:1'), /^keepalive on out:1/);
  t.is(connectionsOf(scenario), 'in:1 openSent, out:1 openConfirm');
  scenario.message('out:1', KEEPALIVE);
  t.is(scenario.state().state, 'Established');
  t.regex(openOn(scenario, 'in:1'), /^close out:1 with 6\/7, lost out:1, keepalive on in:1/);
  t.is(connectionsOf(scenario), 'in:1 openConfirm');
});

test('onOpen() gives up an attempt of its own when the peer has come meanwhile', (t) => {
  for (const config of [LOW, HIGH]) {
    const scenario = withOpen(config, 'in:1');
    t.regex(openOn(scenario, 'in:1'), /^keepalive on in:1.*close out:1, → OpenConfirm$/);
    t.is(connectionsOf(scenario), 'in:1 openConfirm');
  }
});

test('onOpen() keeps an Established session when a peer without graceful restart comes again', (t) => {
  const scenario = withOpen(HIGH);
  scenario.establish('out:1');
  scenario.wait(60_000);
  scenario.connected('in:1');
  t.is(openOn(scenario, 'in:1'), 'close in:1 with 6/7');
  t.is(scenario.state().state, 'Established');
});

test('onOpen() takes a new connection for a restart when both do it', (t) => {
  const config = { ...HIGH, gracefulRestart: GRACEFUL };
  for (const first of ['out:1', 'in:1'] as const) {
    const scenario = withOpen(config);
    scenario.establish(first, { gracefulRestart: GRACEFUL });
    scenario.wait(5000);
    scenario.connected('in:2');
    t.regex(
      openOn(scenario, 'in:2', { gracefulRestart: { ...GRACEFUL, restarting: true } }),
      new RegExp(`^close ${first}, lost ${first} keeping routes, keepalive on in:2`),
    );
    scenario.message('in:2', KEEPALIVE);
    t.is(connectionsOf(scenario), 'in:2 established');
    t.is(scenario.state().established, 2);
  }
});

test('onOpen() takes an OPEN right after Established for a collision that came late', (t) => {
  const scenario = withOpen({ ...HIGH, gracefulRestart: GRACEFUL });
  scenario.establish('out:1', { gracefulRestart: GRACEFUL });
  scenario.wait(4999);
  scenario.connected('in:1');
  t.is(openOn(scenario, 'in:1', { gracefulRestart: GRACEFUL }), 'close in:1 with 6/7');
});

test('onOpen() does not let a stranger displace a session', (t) => {
  const scenario = withOpen(LOW);
  scenario.establish('out:1');
  scenario.connected('in:1');
  t.is(openOn(scenario, 'in:1', { localAsn: 64999 }), 'close in:1 with 2/2');
  t.is(scenario.state().state, 'Established');
  t.is(scenario.state().errorsInRow, 0);
});
