import test from 'ava';
import type { Address } from '../../../src/domain/address.ts';
import { formatAddress } from '../../../src/domain/address.ts';
import type { Mac } from '../../../src/domain/mac.ts';
import { NeighbourProber } from '../../../src/forwarder/neighbours/neighbour-prober.ts';
import { followNetwork } from '../../../src/forwarder/network.ts';
import type { Neighbour } from '../../../src/protocol/rtnetlink/neighbour.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { fakeRtnetlink, neighbour, settle } from '../../support/fake-rtnetlink.ts';
import { address } from '../../support/objects.ts';
import { recordingLog } from '../../support/recording-log.ts';

const HOST = { ifindex: 2, address: address('10.0.0.11') };

/** Hosts that answer with the MAC addresses of `alive`, at once. */
async function bench(hosts: readonly string[] = ['10.0.0.11']) {
  const kernel = fakeRtnetlink();
  const clock = fakeClock();
  const log = recordingLog();
  const alive = new Map<Address, Mac>();
  const asked: string[] = [];
  let canAsk = true;
  for (const [index, text] of hosts.entries()) {
    kernel.neighbours.push(neighbour(2, text, index + 1));
    alive.set(address(text), (index + 1) as Mac);
  }
  const network = await followNetwork({ open: kernel.open, clock, log });
  const changes: string[] = [];
  const prober: NeighbourProber = new NeighbourProber({
    network,
    clock,
    log,
    probeMs: 400,
    openWire: (onAnswer) => ({
      ask({ ifindex, address: to }, mac) {
        if (!canAsk) return false;
        asked.push(formatAddress(to));
        const at = alive.get(to);
        if (at !== undefined && (mac === undefined || mac === at)) {
          clock.after(0, () => onAnswer(ifindex, to, at));
        }
        return true;
      },
      close: () => undefined,
    }),
    onChange: (each) =>
      changes.push(`${formatAddress(each.address)} ${prober.mac(each) ?? 'gone'}`),
  });
  network.onChange((change) => {
    if (change.kind === 'neighbour') prober.kernelChanged(change);
  });
  const say = (text: string, mac: number | undefined, state: Neighbour['state'] = 'fresh') =>
    kernel.tell({ kind: 'neighbour', neighbour: neighbour(2, text, mac, state), removed: false });
  const setCanAsk = (value: boolean) => {
    canAsk = value;
  };
  return { kernel, clock, log, alive, asked, changes, prober, say, setCanAsk };
}

test('a host that answers is asked two and a half times a second', async (t) => {
  const { clock, asked, changes, prober } = await bench();
  prober.keep(HOST);
  clock.advance(10_000);
  t.true(asked.length >= 22 && asked.length <= 26, String(asked.length));
  t.is(prober.mac(HOST), 1 as Mac);
  t.deepEqual(changes, []);
});

test('another MAC address is followed, and told to the kernel', async (t) => {
  const { kernel, clock, alive, changes, prober } = await bench();
  prober.keep(HOST);
  clock.advance(2000);
  alive.set(HOST.address, 9 as Mac);
  clock.advance(750);
  t.deepEqual(changes, ['10.0.0.11 9']);
  t.deepEqual(kernel.set, ['2 10.0.0.11 9']);
});

test('a host that is lost is said gone within a second, and back within another', async (t) => {
  const { kernel, clock, alive, changes, prober } = await bench();
  prober.keep(HOST);
  clock.advance(2000);
  alive.clear();
  clock.advance(1000);
  t.deepEqual(changes, ['10.0.0.11 gone']);
  t.true(prober.isGone(HOST));
  t.deepEqual(kernel.set, ['2 10.0.0.11 failed']);
  alive.set(HOST.address, 1 as Mac);
  clock.advance(1000);
  t.deepEqual(changes, ['10.0.0.11 gone', '10.0.0.11 1']);
  t.false(prober.isGone(HOST));
});

test("the administrator's entry is not written, also when it came a moment ago", async (t) => {
  const { kernel, clock, alive, prober, say } = await bench();
  prober.keep(HOST);
  clock.advance(2000);
  alive.clear();
  // One question was not answered yet when he came.
  clock.advance(250);
  say('10.0.0.11', 5, 'fixed');
  clock.advance(2000);
  t.deepEqual(kernel.set, []);
});

test('the rate is bounded: two thousand hosts are each asked, every two seconds', async (t) => {
  const hosts = Array.from({ length: 2000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
  const { clock, asked, prober } = await bench(hosts);
  for (const text of hosts) prober.keep({ ifindex: 2, address: address(text) });
  clock.advance(2000);
  t.is(new Set(asked).size, 2000);
  t.true(asked.length <= 2050, String(asked.length));
  clock.advance(2000);
  t.true(asked.length <= 4050, String(asked.length));
});

test('hosts that just fell silent come first, those long gone in their turn', async (t) => {
  const hosts = Array.from({ length: 2000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
  const { clock, alive, changes, prober } = await bench(hosts);
  for (const text of hosts) prober.keep({ ifindex: 2, address: address(text) });
  clock.advance(4000);
  for (const text of hosts.slice(0, 100)) alive.delete(address(text));
  clock.advance(3000);
  t.is(changes.filter((each) => each.endsWith('gone')).length, 100);
});

test('a host is asked until its last user releases it', async (t) => {
  const { clock, asked, prober } = await bench();
  prober.keep(HOST);
  prober.keep(HOST);
  prober.release(HOST);
  clock.advance(1000);
  t.true(asked.length > 0);
  prober.release(HOST);
  asked.length = 0;
  clock.advance(1000);
  t.deepEqual(asked, []);
  t.is(prober.mac(HOST), undefined);
});

test('where nobody can be asked, what the kernel says is so', async (t) => {
  const { clock, changes, prober, say, setCanAsk } = await bench();
  setCanAsk(false);
  prober.keep(HOST);
  clock.advance(2000);
  t.is(prober.mac(HOST), 1 as Mac);
  say('10.0.0.11', 7);
  t.deepEqual(changes, ['10.0.0.11 7']);
});

test('a kernel that refuses to be told is said once', async (t) => {
  const { kernel, clock, log, alive, prober } = await bench();
  prober.keep(HOST);
  clock.advance(1000);
  kernel.refusal = 'EPERM';
  for (const mac of [7, 8, 9]) {
    alive.set(HOST.address, mac as Mac);
    clock.advance(1000);
    await settle();
  }
  t.is(log.lines.filter(({ level }) => level === 'warn').length, 1);
});

test('stop() ends the questions', async (t) => {
  const { clock, asked, prober } = await bench();
  prober.keep(HOST);
  prober.stop();
  clock.advance(1000);
  t.deepEqual(asked, []);
});
