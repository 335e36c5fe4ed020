import test from 'ava';
import { NeighbourKeeper } from '../../../src/forwarder/neighbours/neighbour-keeper.ts';
import { followNetwork } from '../../../src/forwarder/network.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { fakeRtnetlink, neighbour, settle } from '../../support/fake-rtnetlink.ts';
import { address } from '../../support/objects.ts';
import { recordingLog } from '../../support/recording-log.ts';

const HOST = { ifindex: 2, address: address('10.0.0.11') };

async function bench() {
  const kernel = fakeRtnetlink();
  const clock = fakeClock();
  const network = await followNetwork({ open: kernel.open, clock, log: recordingLog() });
  const refused: string[] = [];
  const keeper: NeighbourKeeper = new NeighbourKeeper({
    network,
    clock,
    onRefusal: (each) => refused.push(keeper.refusal(each)),
  });
  const say = (mac: number | undefined, state: 'fixed' | 'fresh' | 'stale' | 'failed') => {
    kernel.tell({
      kind: 'neighbour',
      neighbour: neighbour(2, '10.0.0.11', mac, state),
      removed: false,
    });
    keeper.changed(HOST.ifindex, HOST.address);
  };
  return { kernel, clock, keeper, refused, say };
}

test('a neighbour is asked for at once, and again while it does not answer, ever more rarely', async (t) => {
  const { kernel, clock, keeper } = await bench();
  keeper.keep(HOST);
  t.is(kernel.used.length, 1);
  const after = (ms: number) => {
    clock.advance(ms);
    return kernel.used.length;
  };
  t.deepEqual([1000, 2000, 4000, 4000].map(after), [2, 3, 4, 5]);
  t.is(after(60_000), 20);
});

test('a neighbour that answers is asked for every ten seconds', async (t) => {
  const { kernel, clock, keeper, say } = await bench();
  keeper.keep(HOST);
  say(1, 'fresh');
  kernel.used.length = 0;
  clock.advance(60_000);
  t.true(kernel.used.length >= 5 && kernel.used.length <= 7, String(kernel.used.length));
});

test('a stale or forgotten neighbour is asked for at once, a failed one waits its turn', async (t) => {
  const { kernel, keeper, say } = await bench();
  keeper.keep(HOST);
  say(1, 'fresh');
  kernel.used.length = 0;
  say(1, 'stale');
  t.is(kernel.used.length, 1);
  say(undefined, 'failed');
  t.is(kernel.used.length, 1);
  kernel.tell({ kind: 'neighbour', neighbour: neighbour(2, '10.0.0.11', 1), removed: true });
  keeper.changed(HOST.ifindex, HOST.address);
  t.is(kernel.used.length, 2);
});

test('the rate of questions is bounded, and nobody is forgotten', async (t) => {
  const { kernel, clock, keeper } = await bench();
  for (let host = 1; host <= 500; host++) {
    keeper.keep({ ifindex: 2, address: address(`10.1.${host >> 8}.${host & 255}`) });
  }
  t.is(kernel.used.length, 200);
  clock.advance(250);
  t.is(kernel.used.length, 400);
  clock.advance(250);
  t.is(new Set(kernel.used).size, 500);
});

test('a neighbour is kept until its last user releases it', async (t) => {
  const { kernel, clock, keeper } = await bench();
  keeper.keep(HOST);
  keeper.keep(HOST);
  keeper.release(HOST);
  clock.advance(1000);
  t.is(kernel.used.length, 2);
  keeper.release(HOST);
  clock.advance(60_000);
  t.is(kernel.used.length, 2);
});

test('a refusal is told once, and once more when it is over', async (t) => {
  const { kernel, clock, keeper, refused } = await bench();
  kernel.refusal = 'ENOBUFS';
  keeper.keep(HOST);
  await settle();
  clock.advance(1000);
  await settle();
  kernel.refusal = undefined;
  clock.advance(10_000);
  await settle();
  t.deepEqual(refused, ['ENOBUFS', '']);
});

test('a neighbour that the administrator has fixed is left alone', async (t) => {
  const { kernel, clock, keeper, say } = await bench();
  say(1, 'fixed');
  keeper.keep(HOST);
  clock.advance(60_000);
  t.deepEqual(kernel.used, []);
  say(undefined, 'failed');
  clock.advance(10_000);
  t.true(kernel.used.length > 0);
});

test('stop() ends the questions', async (t) => {
  const { kernel, clock, keeper } = await bench();
  keeper.keep(HOST);
  keeper.stop();
  clock.advance(60_000);
  t.is(kernel.used.length, 1);
});
