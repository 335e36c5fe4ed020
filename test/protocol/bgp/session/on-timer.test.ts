import test from 'ava';
import { newSession } from '../../../../src/protocol/bgp/session/session-state.ts';
import { step } from '../../../../src/protocol/bgp/session/step.ts';
import {
  after,
  CONFIG,
  established,
  fault,
  opened,
  openOf,
  play,
  says,
  started,
  told,
  WALL_MS,
} from './scenario.ts';

test('onTimer() tries again soon at first, and then as rarely as configured', (t) => {
  const scenario = started();
  const waits = Array.from({ length: 9 }, (_, i) => {
    const connection = `out:${i + 1}` as const;
    scenario.dispatch({ kind: 'connectFailed', connection, reason: 'refused' });
    const beganMs = scenario.nowMs();
    scenario.expire('connectRetry');
    return (scenario.nowMs() - beganMs) / 1000;
  });
  t.deepEqual(waits, [2, 4, 8, 16, 32, 64, 120, 120, 120]);
  scenario.establish('out:10');
  scenario.dispatch({ kind: 'closed', connection: 'out:10', reason: '' });
  scenario.expire('idleHold');
  const failed = { kind: 'connectFailed', connection: 'out:11', reason: 'refused' } as const;
  t.is(told(scenario.dispatch(failed)), 'close out:11, connectRetry in 2 s, → Active');
});

test('onTimer() waits longer after each error in a row, and forgets them after a stable session', (t) => {
  const scenario = started();
  const waits = Array.from({ length: 8 }, (_, i) => {
    const connection = `out:${i + 1}` as const;
    scenario.establish(connection);
    scenario.wait(10_000);
    scenario.dispatch(fault(connection));
    const beganMs = scenario.nowMs();
    scenario.expire('idleHold');
    return (scenario.nowMs() - beganMs) / 1000;
  });
  t.deepEqual(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
  scenario.establish('out:9');
  scenario.wait(60_000);
  t.regex(told(scenario.dispatch(fault('out:9'))), /idleHold in 1 s/);
});

test('onTimer() lets the peer in before the wait is over after one error, and not after several', (t) => {
  const scenario = opened();
  scenario.dispatch(fault('out:1'));
  t.regex(told(scenario.connected('in:1')), /open on in:1/);
  scenario.dispatch(fault('in:1'));
  t.is(told(scenario.connected('in:2')), 'close in:2');
  scenario.expire('idleHold');
  t.regex(told(scenario.connected('in:3')), /open on in:3/);
});

test('onTimer() ends a session that is silent for the hold time, whatever it hears short of that', (t) => {
  const scenario = established();
  for (const name of ['KEEPALIVE', 'UPDATE', 'REFRESH']) {
    t.notRegex(told(scenario.wait(89_999)), /close/);
    scenario.dispatch(says('out:1', name));
  }
  t.notRegex(told(scenario.wait(89_999)), /close/);
  t.regex(told(scenario.wait(1)), /close out:1 with 4\/0, lost out:1/);
  t.deepEqual(scenario.state().lastError.sent, {
    text: 'Nothing came from the peer for 90 s, the hold time',
    atMs: WALL_MS + 4 * 89_999 + 1,
  });
});

test('onTimer() reads what came while this side stood still before it takes the peer for silent', (t) => {
  for (const answers of [true, false]) {
    const scenario = established();
    scenario.sleep(100_000);
    t.regex(told(scenario.wait(0)), /hold\/out:1 in 1 s/);
    if (answers) scenario.dispatch(says('out:1', 'KEEPALIVE'));
    scenario.wait(1000);
    t.is(scenario.state().state, answers ? 'Established' : 'Idle');
  }
});

test('onTimer() never ends a session because of silence when one side wants no hold time', (t) => {
  for (const [own, theirs] of [
    [0, 90_000],
    [90_000, 0],
  ] as const) {
    const scenario = after(play({ ...CONFIG, holdTimeMs: own }), { kind: 'start' });
    scenario.establish('out:1', { holdTimeMs: theirs });
    t.is(told(scenario.wait(3_600_000)), '');
    t.is(scenario.state().state, 'Established');
  }
});

test('onTimer() does not wait for ever for a KEEPALIVE when there is no hold time', (t) => {
  const scenario = opened();
  scenario.message('out:1', openOf({ holdTimeMs: 0 }));
  t.regex(told(scenario.wait(240_000)), /close out:1 with 4\/0/);
});

test('onTimer() ends a session when no octet has moved for the send hold time', (t) => {
  const scenario = established();
  const alive = () => {
    for (let i = 0; i < 8; i++) {
      scenario.wait(59_000);
      scenario.dispatch(says('out:1', 'KEEPALIVE'));
    }
  };
  const progress = (waiting: boolean) =>
    scenario.dispatch({ kind: 'sendProgress', connection: 'out:1', waiting });
  progress(true);
  alive();
  progress(true);
  alive();
  progress(false);
  alive();
  progress(true);
  alive();
  t.is(scenario.state().state, 'Established');
  t.regex(told(scenario.wait(8_000)), /close out:1 with 8\/0, lost out:1/);
  t.is(scenario.state().lastError.sent?.text, 'The peer has not read anything for 480 s');
});

test('onTimer() spreads its timers over the last quarter of their time', (t) => {
  const retries = [0, 0.5, 0.999].map((random) => {
    const context = { config: CONFIG, monotonicMs: 0, wallMs: 0, random };
    const { state } = step(newSession(0), { kind: 'start' }, context);
    const failed = { kind: 'connectFailed', connection: 'out:1', reason: 'refused' } as const;
    return step(state, failed, context).state.timers.connectRetry;
  });
  t.deepEqual(retries, [1500, 1750, 1999.5]);
});

test('onTimer() sets a timer again that comes too early', (t) => {
  const scenario = established();
  scenario.wait(10_000);
  const early = scenario.dispatch({ kind: 'timer', timer: 'hold/out:1' });
  t.is(told(early), 'hold/out:1 in 80 s');
});
