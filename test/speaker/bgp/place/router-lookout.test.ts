import test from 'ava';
import { formatAddress } from '../../../../src/domain/address.ts';
import type { Mac } from '../../../../src/domain/mac.ts';
import {
  decodeEthernet,
  ETHERTYPE_IPV6,
  encodeEthernet,
} from '../../../../src/protocol/ethernet.ts';
import { ALL_NODES } from '../../../../src/protocol/ndp.ts';
import {
  ALL_ROUTERS,
  decodeRouterMessage,
  encodeRouterMessage,
  type RouterMessage,
} from '../../../../src/protocol/router-discovery.ts';
import {
  ADVERTISE_INTERVAL_MS,
  LEAST_INTERVAL_MS,
  openRouterLookout,
  SILENCE_MS,
  SOLICIT_INTERVAL_MS,
  SOLICITATIONS,
} from '../../../../src/speaker/bgp/place/router-lookout.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { address } from '../../../support/objects.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import { fakeWire } from '../../fake-wire.ts';

const IFINDEX = 7;
const MAC = 0x0200_0000_0001 as Mac;
const ASKING_MS = SOLICITATIONS * SOLICIT_INTERVAL_MS;

/** A lookout on a link where the test speaks for the routers. */
function link() {
  const wire = fakeWire();
  const clock = fakeClock();
  const log = recordingLog();
  const sightings: string[] = [];
  const open = () =>
    openRouterLookout({
      station: { name: 'eth0', ifindex: IFINDEX, mac: MAC, linkLocal: address('fe80::1') },
      wire,
      clock,
      log,
      random: () => 0.5,
      onSighting: ({ router, obstacle }) =>
        sightings.push(router === undefined ? obstacle : formatAddress(router)),
    });
  const receive = (message: Omit<RouterMessage, 'sourceMac'>, mac = 0x0200_0000_0002) =>
    wire.receive(
      IFINDEX,
      ETHERTYPE_IPV6,
      encodeEthernet({
        destination: 0x3333_0000_0001 as Mac,
        source: mac as Mac,
        vlan: undefined,
        etherType: ETHERTYPE_IPV6,
        payload: encodeRouterMessage({ ...message, sourceMac: undefined } as RouterMessage),
      }),
    );
  const advertise = (source: string, mac?: number) => {
    const message = { kind: 'advertisement', destination: ALL_NODES, lifetimeSec: 0 } as const;
    receive({ ...message, source: address(source) }, mac);
  };
  const solicit = () =>
    receive({ kind: 'solicitation', source: address('fe80::2'), destination: ALL_ROUTERS });
  const sent = () => wire.sent.splice(0).flatMap(messageOf);
  return { wire, clock, log, sightings, open, advertise, solicit, sent };
}

function messageOf(frame: Uint8Array): RouterMessage[] {
  const { value } = decodeRouterMessage(decodeEthernet(frame).value?.payload ?? new Uint8Array());
  return value ? [value] : [];
}

const NOBODY = 'No router advertises itself on "eth0"';
const TWO =
  '2 routers advertise themselves on "eth0" (fe80::2, fe80::3): name the one by its address';

test('a lookout asks at once, and says who it is without harm to hosts', (t) => {
  const { wire, open, sent } = link();
  const lookout = open();
  const source = address('fe80::1');
  const [advertisement, solicitation] = sent();
  t.deepEqual(advertisement, {
    kind: 'advertisement',
    source,
    destination: ALL_NODES,
    lifetimeSec: 0,
    sourceMac: MAC,
  });
  t.deepEqual(solicitation, {
    kind: 'solicitation',
    source,
    destination: ALL_ROUTERS,
    sourceMac: MAC,
  });
  t.deepEqual([...wire.groups].map(formatAddress), ['ff02::2']);
  lookout.close();
  t.is(wire.groups.size, 0);
  t.deepEqual(wire.open(), []);
});

test('a router is told as soon as it is heard, and once', (t) => {
  const { open, advertise, sightings, clock } = link();
  const lookout = open();
  t.deepEqual(sightings, []);
  advertise('fe80::2');
  advertise('fe80::2');
  for (let i = 0; i < 60; i++) {
    clock.advance(10_000);
    advertise('fe80::2');
  }
  t.deepEqual(sightings, ['fe80::2']);
  lookout.close();
});

test('without a router that is said after three questions, and asked again later', (t) => {
  const { open, sent, clock, sightings } = link();
  open();
  clock.advance(ASKING_MS);
  t.deepEqual(sightings, [NOBODY]);
  t.is(sent().filter(({ kind }) => kind === 'solicitation').length, SOLICITATIONS);
  clock.advance(SILENCE_MS + ASKING_MS);
  t.is(sent().filter(({ kind }) => kind === 'solicitation').length, SOLICITATIONS);
  t.deepEqual(sightings, [NOBODY]);
});

test('a silent router is asked, kept when it answers, and gone when it does not', (t) => {
  const { open, sent, clock, sightings, advertise } = link();
  open();
  advertise('fe80::2');
  clock.advance(ASKING_MS);
  sent();
  clock.advance(SILENCE_MS);
  t.true(sent().some(({ kind }) => kind === 'solicitation'));
  advertise('fe80::2');
  clock.advance(ASKING_MS);
  t.deepEqual(sightings, ['fe80::2']);
  clock.advance(2 * SILENCE_MS + ASKING_MS);
  t.deepEqual(sightings, ['fe80::2', NOBODY]);
  advertise('fe80::2');
  t.deepEqual(sightings, ['fe80::2', NOBODY, 'fe80::2']);
});

/** Passes time in which the routers answer every question. */
function pass(site: ReturnType<typeof link>, ms: number, routers: readonly string[]) {
  for (let left = ms; left > 0; left -= 500) {
    site.clock.advance(500);
    const asked = site.sent().some(({ kind }) => kind === 'solicitation');
    if (asked) for (const router of routers) site.advertise(router);
  }
}

test('a router that takes the place of another is told once the other is silent', (t) => {
  const site = link();
  site.open();
  site.advertise('fe80::2');
  pass(site, 60_000, ['fe80::2']);
  site.advertise('fe80::9');
  t.deepEqual(site.sightings, ['fe80::2']);
  pass(site, ASKING_MS, ['fe80::9']);
  t.deepEqual(site.sightings, ['fe80::2', 'fe80::9']);
});

test('two routers on a link are an obstacle, until one of them goes', (t) => {
  const site = link();
  site.open();
  site.advertise('fe80::2');
  pass(site, 60_000, ['fe80::2']);
  site.advertise('fe80::3');
  pass(site, 60_000, ['fe80::2', 'fe80::3']);
  t.deepEqual(site.sightings, ['fe80::2', TWO]);
  pass(site, 2 * SILENCE_MS + ASKING_MS, ['fe80::3']);
  t.deepEqual(site.sightings, ['fe80::2', TWO, 'fe80::3']);
});

test('a flood of routers is told once, and over when only one of them answers', (t) => {
  const site = link();
  site.open();
  site.advertise('fe80::2');
  pass(site, 60_000, ['fe80::2']);
  for (let i = 3; i < 5_000; i++) site.advertise(`fe80::${i.toString(16)}`);
  t.deepEqual(site.sightings, ['fe80::2']);
  t.true(site.sent().length < 10);
  pass(site, 2 * SILENCE_MS + 2 * ASKING_MS, ['fe80::2']);
  t.is(site.sightings.length, 3);
  t.regex(site.sightings[1] ?? '', /^8 routers/);
  t.is(site.sightings[2], 'fe80::2');
});

test('advertisements come three times soon, then with pauses, and sooner when asked for', (t) => {
  const { open, sent, clock, solicit } = link();
  open();
  const advertised = (ms: number) => {
    clock.advance(ms);
    return sent().filter(({ kind }) => kind === 'advertisement').length;
  };
  t.is(advertised(0), 1);
  t.is(advertised(2 * LEAST_INTERVAL_MS), 2);
  // With a random number of a half, a pause is an eighth shorter.
  const pauseMs = ADVERTISE_INTERVAL_MS * (7 / 8);
  t.is(advertised(pauseMs - 1), 0);
  t.is(advertised(1), 1);
  t.is(advertised(5_000), 0);
  for (let i = 0; i < 100; i++) solicit();
  t.is(advertised(250), 1, 'one answer to all');
  for (let i = 0; i < 100; i++) solicit();
  t.is(advertised(LEAST_INTERVAL_MS - 1), 0);
  t.is(advertised(1), 1);
});

test('what comes from this box or is damaged is not heard', (t) => {
  const { wire, open, advertise, sightings } = link();
  open();
  advertise('fe80::9', MAC);
  wire.receive(IFINDEX, ETHERTYPE_IPV6, new Uint8Array(9));
  wire.receive(IFINDEX, ETHERTYPE_IPV6, new Uint8Array(90));
  t.deepEqual(sightings, []);
});

test('failed sends are logged once in a while; those of an interface that goes are not', (t) => {
  const { wire, open, log, clock } = link();
  wire.fail('send', 'ENOBUFS');
  const lookout = open();
  clock.advance(50_000);
  t.deepEqual(
    log.lines.map(({ message }) => message),
    ['Trouble with looking for a router'],
  );
  wire.fail('send', 'ENETDOWN');
  clock.advance(120_000);
  t.is(log.lines.length, 1);
  lookout.close();
});

test('sockets that the kernel refuses leave nothing open', (t) => {
  const { wire, open } = link();
  for (const what of ['join', 'open'] as const) {
    wire.fail(what, 'ENOBUFS');
    t.throws(open, { code: 'ENOBUFS' });
    wire.fail(what, undefined);
    t.is(wire.groups.size, 0);
    t.deepEqual(wire.open(), []);
  }
});
