import test from 'ava';
import { SWEEP_INTERVAL_MS, startSweeper } from '../../../src/forwarder/xdp/sweeper.ts';
import type { SweepResult } from '../../../src/system/bpf.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { settle } from '../../support/fake-rtnetlink.ts';
import { recordingLog } from '../../support/recording-log.ts';

const found = (flows: number): SweepResult => ({
  flows,
  expired: 0,
  flowsByServer: new Uint32Array(),
  flowsByBackend: new Uint32Array(),
  flowsByNatAddress: new Uint32Array(),
});

test('one sweep follows the other, never two at once, also after one that failed', async (t) => {
  const clock = fakeClock();
  const log = recordingLog();
  const running: ((result: SweepResult | Error) => void)[] = [];
  const sweep = () =>
    new Promise<SweepResult>((resolve, reject) => {
      running.push((result) => (result instanceof Error ? reject(result) : resolve(result)));
    });
  const sweeper = startSweeper(sweep, clock, log);
  clock.advance(10 * SWEEP_INTERVAL_MS);
  t.is(running.length, 1);
  running[0]?.(new Error('EIO'));
  await settle();
  t.is(log.lines.length, 1);
  clock.advance(SWEEP_INTERVAL_MS);
  t.is(running.length, 2);
  running[1]?.(found(7));
  await settle();
  t.is(sweeper.last()?.flows, 7);
});

test('stop() waits for the sweep under way, and none follows', async (t) => {
  const clock = fakeClock();
  let finish: (result: SweepResult) => void = () => undefined;
  let sweeps = 0;
  const sweep = () => {
    sweeps += 1;
    return new Promise<SweepResult>((resolve) => {
      finish = resolve;
    });
  };
  const sweeper = startSweeper(sweep, clock, recordingLog());
  clock.advance(SWEEP_INTERVAL_MS);
  let stopped = false;
  const stopping = sweeper.stop().then(() => {
    stopped = true;
  });
  await settle();
  t.false(stopped);
  finish(found(0));
  await stopping;
  clock.advance(10 * SWEEP_INTERVAL_MS);
  t.is(sweeps, 1);
});
