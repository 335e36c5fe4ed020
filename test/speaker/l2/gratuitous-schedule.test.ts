import test from 'ava';
import type { Address } from '../../../src/domain/address.ts';
import {
  ADDRESSES_PER_TURN,
  createGratuitousSchedule,
  REFRESH_JITTER,
  TURN_MS,
} from '../../../src/speaker/l2/gratuitous-schedule.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { address } from '../../support/objects.ts';

const VIP = address('192.0.2.100');
const SETTINGS = { burst: 5, spacingMs: 1100, refreshMs: 60_000 };

function schedule(random = () => 0.5) {
  const clock = fakeClock(0);
  const sent: { atMs: number; vip: Address }[] = [];
  const send = (vip: Address) => sent.push({ atMs: clock.monotonicMs(), vip });
  const { start, stop, close } = createGratuitousSchedule({
    settings: SETTINGS,
    clock,
    random,
    send,
  });
  return { clock, sent, start, stop, close, times: () => sent.map(({ atMs }) => atMs) };
}

test('start() announces at once, in a burst, and then at every refresh', (t) => {
  const { clock, start, times } = schedule();
  start(VIP);
  t.deepEqual(times(), [0]);
  clock.advance(4400 + 2 * 60_000);
  t.deepEqual(times(), [0, 1100, 2200, 3300, 4400, 64_400, 124_400]);
});

test('a refresh is earlier or later by no more than its jitter', (t) => {
  for (const random of [0, 0.25, 0.999]) {
    const { clock, start, times } = schedule(() => random);
    start(VIP);
    clock.advance(4400 + 60_000 * (1 + REFRESH_JITTER));
    const [refresh = 0] = times().slice(5);
    const share = (refresh - 4400) / 60_000 - 1;
    t.true(Math.abs(share - REFRESH_JITTER * (2 * random - 1)) < 1e-9, `${share}`);
  }
});

test('start() of an address that is there begins a new burst and no second row', (t) => {
  const { clock, start, times } = schedule();
  start(VIP);
  clock.advance(1500);
  start(VIP);
  clock.advance(5000);
  t.deepEqual(times(), [0, 1100, 1500, 2600, 3700, 4800, 5900]);
});

test('stop() and close() end everything', (t) => {
  const { clock, start, stop, close, times } = schedule();
  start(VIP);
  stop(VIP);
  clock.advance(200_000);
  t.deepEqual(times(), [0]);
  start(VIP);
  close();
  clock.advance(200_000);
  t.is(times().length, 2);
});

test('many addresses are paced, in order, and none is left out', (t) => {
  const { clock, sent, start, stop } = schedule();
  const count = 10_000;
  const vips = Array.from({ length: count }, (_, i) => address(`10.0.${i >> 8}.${i & 255}`));
  for (const vip of vips) start(vip);
  t.is(sent.length, ADDRESSES_PER_TURN);
  stop(vips[500] as Address);
  clock.advance(TURN_MS);
  t.is(sent.length, 2 * ADDRESSES_PER_TURN);
  clock.advance(1099 - TURN_MS);
  const first = vips.toSpliced(500, 1);
  t.deepEqual(
    sent.map(({ vip }) => vip),
    first,
  );
  clock.advance(1100 * 4 + 1000);
  t.is(sent.length, 5 * (count - 1));
});
