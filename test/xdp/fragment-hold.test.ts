import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { type HeldFragments, holdFragments } from '../../src/system/bpf.ts';
import { openDataplane } from '../support/dataplane-fixture.ts';
import { fragmentOf } from '../support/fragments.ts';
import { udp } from '../support/packet.ts';

const dataplane = openDataplane();
const PAYLOAD = new Uint8Array(3000);
const PATIENCE_MS = 5000;

test.beforeEach(() => {
  dataplane.reset();
  dataplane.backend({ index: 1, address: '10.1.0.5', port: 8080, server: 1 });
  dataplane.server({ index: 1, vip: '192.0.2.10', port: 53, protocol: 'udp', ring: [1] });
});

/** The datagram's piece from this byte on. */
function fragment(from: number, id: number): Uint8Array {
  const whole = udp({ from: '198.51.100.7:50123', to: '192.0.2.10:53', payload: PAYLOAD });
  return fragmentOf(whole, { from, to: from + 1000 }, id);
}

function hold(t: ExecutionContext) {
  const held = holdFragments(dataplane.object);
  t.teardown(() => held.stop());
  return {
    stats: () => held.stats(),
    until: async (wanted: Partial<HeldFragments>) => {
      const reached = () =>
        Object.entries(wanted).every(
          ([name, count]) => held.stats()[name as keyof HeldFragments] === count,
        );
      for (const end = Date.now() + PATIENCE_MS; !reached() && Date.now() < end; ) await sleep(5);
      t.like(held.stats(), wanted);
    },
  };
}

test.serial('a fragment that came early is sent when the first one was there', async (t) => {
  const { until } = hold(t);
  for (const from of [2000, 1000]) t.is(dataplane.send(fragment(from, 77)).verdict, 'drop');
  dataplane.send(fragment(1000, 78));
  await until({ held: 3, released: 0 });
  t.is(dataplane.send(fragment(0, 77)).verdict, 'tx');
  await until({ held: 1, released: 2, failed: 0 });
  t.like(dataplane.counters(), { fragment_held: 3, forwarded: 3 });
  await until({ held: 0, expired: 1, released: 2 });
});

test.serial('a fragment that its way does not take any more counts as failed', async (t) => {
  const { until } = hold(t);
  dataplane.send(fragment(1000, 77));
  await until({ held: 1 });
  dataplane.backend({ index: 1, address: '10.1.0.5', port: 8080, server: 1, mtu: 1010 });
  const first = udp({ from: '198.51.100.7:50123', to: '192.0.2.10:53', payload: PAYLOAD });
  dataplane.send(fragmentOf(first, { from: 0, to: 800 }, 77));
  await until({ held: 0, failed: 1, released: 0 });
  t.is(dataplane.counters()['drop_too_big'], 1);
});

test.serial('more fragments than there is room for are refused', async (t) => {
  const { stats, until } = hold(t);
  const all = () => Object.values(stats()).reduce((sum, count) => sum + count, 0);
  for (let id = 0; id < 1200; id++) {
    while (id - all() > 100) await sleep(1); // the ring is smaller than the room
    dataplane.send(fragment(1000, id));
  }
  await until({ held: 0, released: 0, failed: 0 });
  const { expired, refused } = stats();
  t.is(expired + refused, 1200);
  t.true(refused >= 1200 - 1024 && expired > 0);
});

test.serial('what nobody read in time is not sent later', async (t) => {
  dataplane.send(fragment(1000, 77));
  await sleep(1100);
  dataplane.send(fragment(0, 77));
  const { until } = hold(t);
  await until({ held: 0, expired: 1, released: 0 });
});

test.serial('holdFragments() may be stopped once, and leaves nothing behind', async (t) => {
  const held = holdFragments(dataplane.object);
  dataplane.send(fragment(1000, 77));
  while (held.stats().held === 0) await sleep(1);
  held.stop();
  t.throws(() => held.stop(), { code: 'EBADF' });
  t.throws(() => held.stats(), { code: 'EBADF' });
  const { until } = hold(t);
  dataplane.send(fragment(1000, 78));
  await until({ held: 1 });
});
