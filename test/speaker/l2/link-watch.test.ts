import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import type { Link } from '../../../src/protocol/rtnetlink/link.ts';
import { watchLinks } from '../../../src/speaker/l2/link-watch.ts';
import type { NetworkEvent, Rtnetlink } from '../../../src/system/rtnetlink.ts';
import { recordingLog } from '../../support/recording-log.ts';

/** A kernel whose lists of interfaces are answered when the test says so. */
function kernel() {
  const asked: PromiseWithResolvers<readonly Link[]>[] = [];
  let tell: (event: NetworkEvent) => void = () => {};
  let closed = false;
  const refuse = () => Promise.reject(new Error('not asked here'));
  const open = (onEvent: (event: NetworkEvent) => void): Rtnetlink => {
    tell = onEvent;
    return {
      links() {
        const answer = Promise.withResolvers<readonly Link[]>();
        asked.push(answer);
        return answer.promise;
      },
      addresses: refuse,
      neighbours: refuse,
      routeTo: refuse,
      matchTo: refuse,
      useNeighbour: refuse,
      setNeighbour: refuse,
      close: () => {
        closed = true;
      },
    };
  };
  return {
    asked,
    open,
    event: (kind: string) => tell({ kind } as NetworkEvent),
    isClosed: () => closed,
  };
}

const ETH0 = [{ name: 'eth0' }] as unknown as readonly Link[];
const ETH1 = [{ name: 'eth1' }] as unknown as readonly Link[];

function watch(log = recordingLog()) {
  const { asked, open, event, isClosed } = kernel();
  const seen: (readonly Link[])[] = [];
  const opened = watchLinks(open, log, (links) => seen.push(links));
  return { asked, event, isClosed, seen, opened, log };
}

test('watchLinks() tells the interfaces first, and again after each event', async (t) => {
  const { asked, event, isClosed, seen, opened } = watch();
  asked[0]?.resolve(ETH0);
  const links = await opened;
  t.deepEqual(seen, [ETH0]);
  event('neighbour');
  t.is(asked.length, 1);
  event('link');
  asked[1]?.resolve(ETH1);
  await turn();
  t.deepEqual(seen, [ETH0, ETH1]);
  event('lost');
  links.close();
  asked[2]?.resolve(ETH0);
  await turn();
  t.is(seen.length, 2);
  t.true(isClosed());
});

test('watchLinks() lists anew when an event came while it listed, once for many', async (t) => {
  const { asked, event, seen, opened } = watch();
  for (let i = 0; i < 5; i++) event('link');
  asked[0]?.resolve(ETH0);
  await turn();
  t.is(asked.length, 2);
  asked[1]?.resolve(ETH1);
  await opened;
  t.is(seen.at(-1), ETH1);
  t.is(asked.length, 2);
});

test('watchLinks() rejects when it cannot list at the start, and logs when it cannot later', async (t) => {
  const first = watch();
  first.asked[0]?.reject(new Error('no'));
  await t.throwsAsync(first.opened, { message: 'no' });
  t.true(first.isClosed());
  const second = watch();
  second.asked[0]?.resolve(ETH0);
  await second.opened;
  second.event('link');
  second.asked[1]?.reject(new Error('no'));
  await turn();
  t.is(second.log.lines.length, 1);
  second.event('link');
  second.asked[2]?.resolve(ETH1);
  await turn();
  t.is(second.seen.at(-1), ETH1);
});
