import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { formatAddress } from '../../../src/domain/address.ts';
import { PLAIN } from '../../support/bgp-objects.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { settle } from '../../support/fake-rtnetlink.ts';
import { fakeNet } from '../../support/fake-tcp.ts';
import { plannedPeer, type SpeakingBox, startBox } from './scene.ts';

const BOX = '192.0.2.2';
const ROUTER = '192.0.2.1';

/** A box, and a router that is such a box itself and waits for it. */
async function scene(t: ExecutionContext) {
  const clock = fakeClock();
  const net = fakeNet(clock);
  const directory = mkdtempSync(join(tmpdir(), 'tg-bgp-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const start = (name: string, addresses: readonly string[]) =>
    startBox({ net, clock, runDir: join(directory, name), addresses });
  const router = await start('router', [ROUTER, '2001:db8::1']);
  router.plan({
    peers: [
      plannedPeer('box', BOX, {
        ...{ myAsn: 64501, peerAsn: 64500, passive: true, gracefulRestart: true },
        bothFamilies: true,
      }),
    ],
  });
  const box = await start('box', [BOX, '2001:db8::2']);
  return { clock, net, directory, start, router, box };
}

const TOR = plannedPeer('tor', ROUTER, { gracefulRestart: true, bothFamilies: true });

/** What the router holds of the box: prefixes with their next hops. */
function heldBy(router: SpeakingBox): Record<string, string> {
  const routes = router.speaker.receivedFrom('metallb-system/box')?.current() ?? new Map();
  return Object.fromEntries(
    [...routes]
      .map(([text, { path }]) => [text, formatAddress(path.nextHop ?? path.mpNextHop?.global)])
      .sort(),
  );
}

test('startBgp() has peers know every route of both families, and then only what changes', async (t) => {
  const { clock, router, box } = await scene(t);
  box.plan({ peers: [TOR], routes: { '198.51.100.7/32': PLAIN, '2001:db8:100::7/128': PLAIN } });
  t.deepEqual(box.speaker.announcedTo('198.51.100.7'), []);
  clock.advance(100);
  t.is(box.session('tor').state, 'Established');
  t.deepEqual(heldBy(router), {
    '198.51.100.7/32': BOX,
    '2001:db8:100::7/128': '2001:db8::2',
  });
  t.deepEqual(box.speaker.announcedTo('198.51.100.7'), ['tor']);
  t.deepEqual(box.told.sort(), ['198.51.100.7', '2001:db8:100::7']);
  t.deepEqual(box.session('tor').prefixes, { announced: 2, pending: 0, received: 0 });
  const { updatesSent } = box.session('tor').messages;
  box.plan({ routes: { '198.51.100.7/32': PLAIN, '198.51.100.8/32': PLAIN } });
  clock.advance(100);
  t.deepEqual(Object.keys(heldBy(router)), ['198.51.100.7/32', '198.51.100.8/32']);
  t.is(
    box.session('tor').messages.updatesSent,
    updatesSent + 2,
    'one withdrawal, one announcement',
  );
});

test('want() resets a session only for what it is made with, and no other session', async (t) => {
  const { clock, router, box, start } = await scene(t);
  const second = await start('second', ['192.0.2.3']);
  second.plan({
    peers: [plannedPeer('box', BOX, { myAsn: 64502, peerAsn: 64500, passive: true })],
  });
  const other = plannedPeer('other', '192.0.2.3', { peerAsn: 64502 });
  box.plan({ peers: [TOR, other], routes: { '198.51.100.7/32': PLAIN } });
  clock.advance(100);
  t.is(box.session('other').state, 'Established');

  const relabelled = plannedPeer('tor', ROUTER, { ...TOR.peer, labels: { a: 'b' } });
  box.plan({ peers: [relabelled, other] });
  clock.advance(100);
  t.is(box.session('tor').established, 1);

  const slower = plannedPeer('tor', ROUTER, { ...TOR.peer, holdTimeMs: 30_000 });
  box.plan({ peers: [slower, other] });
  t.not(box.session('tor').state, 'Established');
  clock.advance(10_000);
  t.is(box.session('tor').established, 2);
  t.is(box.session('tor').holdTimeMs, 30_000);
  t.is(box.session('other').established, 1);
  t.deepEqual(Object.keys(heldBy(router)), ['198.51.100.7/32']);

  box.plan({ peers: [other] });
  clock.advance(100);
  t.is(box.speaker.sessions().size, 1);
  t.regex(router.session('box').lastError.received?.text ?? '', /removed|configured/i);
  t.deepEqual(heldBy(router), {});
});

test('want() keeps a session that is up while its Secret is missing, and begins none', async (t) => {
  const { clock, box } = await scene(t);
  const missing = { ...TOR, obstacle: 'There is no Secret "tor"' };
  box.plan({ peers: [missing] });
  clock.advance(1000);
  t.is(box.session('tor').state, 'Idle');
  t.is(box.session('tor').obstacle, 'There is no Secret "tor"');
  box.plan({ peers: [TOR] });
  clock.advance(100);
  t.is(box.session('tor').state, 'Established');
  box.plan({ peers: [missing] });
  clock.advance(1000);
  t.is(box.session('tor').state, 'Established');
  box.plan({ peers: [{ ...TOR, refused: true, obstacle: 'Another BGPPeer is there' }] });
  clock.advance(1000);
  t.is(box.session('tor').state, 'Idle');
});

test('a peer that does not read holds up only its own queue, and catches up with the newest', async (t) => {
  const { clock, router, box, start } = await scene(t);
  const second = await start('second', ['192.0.2.3']);
  second.plan({
    peers: [plannedPeer('box', BOX, { myAsn: 64502, peerAsn: 64500, passive: true })],
  });
  box.plan({ peers: [TOR, plannedPeer('other', '192.0.2.3', { peerAsn: 64502 })], routes: {} });
  clock.advance(100);
  router.tcp.reading(false);
  const table = (med: number) =>
    Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [
        `198.51.${100 + (i >> 8)}.${i & 255}/32`,
        { ...PLAIN, med: med * 1000 + i },
      ]),
    );
  for (let med = 1; med <= 20; med++) {
    box.plan({ routes: table(med) });
    clock.advance(10);
  }
  t.true(box.tcp.mostQueued < 256 * 1024, `${box.tcp.mostQueued}`);
  t.true(box.session('tor').queuedBytes > 0);
  t.true(box.session('tor').prefixes.pending > 0);
  t.is(box.session('other').prefixes.pending, 0);
  t.is(second.speaker.receivedFrom('metallb-system/box')?.current().size, 1000);
  router.tcp.reading(true);
  clock.advance(100);
  const held = router.speaker.receivedFrom('metallb-system/box')?.current();
  t.is(held?.size, 1000);
  t.is(held?.get('198.51.100.5/32')?.path.med, 20_005);
  t.is(box.session('tor').prefixes.pending, 0);
});

test('stop() has peers prefer others, waits, withdraws and says farewell', async (t) => {
  const { clock, router, box } = await scene(t);
  const routes = { '198.51.100.7/32': PLAIN };
  box.plan({ peers: [TOR], routes });
  clock.advance(100);
  box.plan({
    routes: { '198.51.100.7/32': { ...PLAIN, communities: [0xffff0000] } },
    leaving: true,
  });
  const stopped = box.speaker.stop('Maintenance');
  clock.advance(4000);
  await settle();
  const held = router.speaker.receivedFrom('metallb-system/box')?.current();
  t.deepEqual(held?.get('198.51.100.7/32')?.path.communities, [0xffff0000]);
  clock.advance(1100);
  await settle();
  clock.advance(100);
  await stopped;
  t.deepEqual(heldBy(router), {});
  t.regex(router.session('box').lastError.received?.text ?? '', /Maintenance/);
});

test('a box that drains withdraws after the wait and keeps its sessions, until it is back', async (t) => {
  const { clock, router, box } = await scene(t);
  const routes = { '198.51.100.7/32': PLAIN };
  box.plan({ peers: [TOR], routes });
  clock.advance(100);
  box.plan({ leaving: true });
  clock.advance(4900);
  t.deepEqual(Object.keys(heldBy(router)), ['198.51.100.7/32']);
  clock.advance(200);
  t.deepEqual(heldBy(router), {});
  t.deepEqual(box.speaker.announcedTo('198.51.100.7'), []);
  t.is(box.session('tor').state, 'Established');
  box.plan({ leaving: false });
  clock.advance(100);
  t.deepEqual(Object.keys(heldBy(router)), ['198.51.100.7/32']);
});

test('a restart after a death says so in OPEN, and End-of-RIB only when the table is complete', async (t) => {
  const { clock, start, router, box } = await scene(t);
  t.false(box.speaker.restarting());
  box.tcp.breakAll();
  const again = await start('box', [BOX, '2001:db8::2']);
  t.true(again.speaker.restarting());
  again.plan({ peers: [TOR], routes: { '198.51.100.7/32': PLAIN } });
  clock.advance(100);
  const before = again.session('tor').messages.updatesSent;
  t.is(before, 1, 'the route alone');
  again.speaker.completeTable();
  clock.advance(100);
  t.is(again.session('tor').messages.updatesSent, before + 2, 'End-of-RIB of both families');
  clock.advance(120_000);
  t.false(again.speaker.restarting());
  t.is(router.session('box').state, 'Established');
});

test('End-of-RIB is said after the restart time in any case', async (t) => {
  const { clock, box } = await scene(t);
  box.plan({ peers: [TOR], routes: { '198.51.100.7/32': PLAIN } });
  clock.advance(100);
  const before = box.session('tor').messages.updatesSent;
  clock.advance(120_000);
  t.is(box.session('tor').messages.updatesSent, before + 2);
});

test('an unnumbered peer is spoken to when it is found, and not once it is gone', async (t) => {
  const { clock, box } = await scene(t);
  const peer = plannedPeer('leaf', ROUTER, { remote: { kind: 'interface', name: 'eth0' } });
  box.plan({ peers: [peer] });
  t.regex(box.session('leaf').obstacle, /No router has been found on "eth0"/);
  t.is(box.session('leaf').remoteAddress, undefined);
  box.discoveries.get('eth0')?.('fe80::1');
  clock.advance(100);
  t.deepEqual(
    box.tcp.attempts.map(({ remote, interface: link, ttl }) => [formatAddress(remote), link, ttl]),
    [['fe80::1', 'eth0', 1]],
  );
  t.is(box.session('leaf').obstacle, '');
  box.discoveries.get('eth0')?.(undefined);
  clock.advance(100_000);
  t.is(box.session('leaf').state, 'Idle');
  box.plan({ peers: [] });
  t.is(box.discoveries.size, 0);
});

test('BFD ends a session at once when the path fails after it was up, and only then', async (t) => {
  const { clock, router, box } = await scene(t);
  const bfd = { receiveIntervalMs: 50 } as NonNullable<typeof TOR.bfd>;
  box.plan({ peers: [{ ...TOR, bfd }] });
  clock.advance(100);
  const key = 'metallb-system/tor';
  t.like(box.bfd.wanted.get(key), { multihop: false, interface: undefined });
  box.bfd.tell(key, { state: 'Down', remoteState: 'Down' });
  t.is(box.session('tor').state, 'Established');
  box.bfd.tell(key, { state: 'Up', remoteState: 'Up' });
  box.bfd.tell(key, {
    ...{ state: 'Down', remoteState: 'Up' },
    localDiagnostic: 'Control Detection Time Expired',
  });
  t.not(box.session('tor').state, 'Established');
  t.regex(box.session('tor').lastError.sent?.text ?? '', /BFD.*Control Detection Time Expired/);
  clock.advance(10);
  t.regex(router.session('box').lastError.received?.text ?? '', /BFD/);
  box.plan({ peers: [TOR] });
  t.is(box.bfd.wanted.size, 0);
});

test('routes follow the box when its address of the other family comes', async (t) => {
  const { clock, router, box } = await scene(t);
  const without = box.rtnetlink.addresses.filter(({ address }) => formatAddress(address) === BOX);
  const all = box.rtnetlink.addresses.splice(0);
  box.rtnetlink.addresses.push(...without);
  const tell = async () => {
    box.rtnetlink.tell({ kind: 'lost' });
    clock.advance(1000);
    await settle();
    clock.advance(100);
  };
  await tell();
  box.plan({ peers: [TOR], routes: { '2001:db8:100::7/128': PLAIN } });
  clock.advance(100);
  t.deepEqual(heldBy(router), {});
  t.is(box.session('tor').obstacle, 'No IPv6 address on its interface: IPv6 is not announced');
  box.rtnetlink.addresses.splice(0, 1, ...all);
  await tell();
  t.deepEqual(heldBy(router), { '2001:db8:100::7/128': '2001:db8::2' });
  t.is(box.session('tor').obstacle, '');
});

test('whatever happens meanwhile, peers end with what is planned', async (t) => {
  const texts = ['198.51.100.7/32', '198.51.100.8/32', '203.0.113.0/24', '2001:db8:100::7/128'];
  const table = fc
    .array(fc.constantFrom(undefined, PLAIN, { ...PLAIN, med: 7 }, { ...PLAIN, prepend: 1 }), {
      minLength: texts.length,
      maxLength: texts.length,
    })
    .map((values) =>
      Object.fromEntries(texts.flatMap((text, i) => (values[i] ? [[text, values[i]]] : []))),
    );
  const change = fc.oneof(
    { weight: 5, arbitrary: table.map((routes) => ({ kind: 'routes' as const, routes })) },
    {
      weight: 5,
      arbitrary: fc.integer({ min: 1, max: 3000 }).map((ms) => ({ kind: 'wait' as const, ms })),
    },
    fc.boolean().map((on) => ({ kind: 'reading' as const, on })),
    fc.constant({ kind: 'break' as const }),
    fc.boolean().map((leaving) => ({ kind: 'leaving' as const, leaving })),
    fc.constantFrom(30_000, 90_000).map((holdTimeMs) => ({ kind: 'peer' as const, holdTimeMs })),
    fc.boolean().map((missing) => ({ kind: 'secret' as const, missing })),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 25 }), async (changes) => {
      const { clock, router, box } = await scene(t);
      let tor = TOR;
      let routes: Readonly<Record<string, typeof PLAIN>> = {};
      box.plan({ peers: [tor], routes });
      for (const one of changes) {
        if (one.kind === 'routes') {
          routes = one.routes;
          box.plan({ routes });
        } else if (one.kind === 'wait') clock.advance(one.ms);
        else if (one.kind === 'reading') router.tcp.reading(one.on);
        else if (one.kind === 'break') box.tcp.breakAll();
        else if (one.kind === 'leaving') box.plan({ leaving: one.leaving });
        else if (one.kind === 'peer') {
          tor = { ...tor, peer: { ...tor.peer, holdTimeMs: one.holdTimeMs } };
          box.plan({ peers: [tor] });
        } else {
          tor = { ...tor, obstacle: one.missing ? 'There is no Secret' : '' };
          box.plan({ peers: [tor] });
        }
      }
      router.tcp.reading(true);
      box.plan({ peers: [{ ...tor, obstacle: '' }], leaving: false });
      clock.advance(300_000);
      const held = router.speaker.receivedFrom('metallb-system/box')?.current() ?? new Map();
      const seen = [...held].map(([text, { path }]) => [
        text,
        path.med,
        path.asPath[0]?.asns.length,
      ]);
      const wanted = Object.entries(routes).map(([text, { med, prepend }]) => [
        text,
        med,
        prepend + 1,
      ]);
      t.deepEqual(seen.sort(), wanted.sort());
      t.is(box.session('tor').state, 'Established');
    }),
    { numRuns: 100 },
  );
});
