import test from 'ava';
import type { Family } from '../../../../src/domain/address.ts';
import type { BgpRoute, RouteAttributes } from '../../../../src/domain/bgp/bgp-route.ts';
import { KeyedMap } from '../../../../src/domain/keyed-map.ts';
import { parsePrefix } from '../../../../src/domain/prefix.ts';
import { decodeMessage } from '../../../../src/protocol/bgp/decode-message.ts';
import { encodeMessage } from '../../../../src/protocol/bgp/encode-message.ts';
import type { BgpMessage } from '../../../../src/protocol/bgp/message.ts';
import type { Negotiated } from '../../../../src/protocol/bgp/session/negotiated.ts';
import type { Wire } from '../../../../src/speaker/bgp/connection/wire.ts';
import { routeChanges } from '../../../../src/speaker/bgp/routes/adj-rib-out.ts';
import {
  createAdvertiser,
  QUEUED_BYTES_MAX,
} from '../../../../src/speaker/bgp/routes/advertiser.ts';
import { REFRESH_PAUSE_MS } from '../../../../src/speaker/bgp/routes/refresh-pace.ts';
import { PLAIN } from '../../../support/bgp-objects.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { address } from '../../../support/objects.ts';

const PEER = 'metallb-system/tor';
const LOCAL = address('192.0.2.2');
const OWN = [{ ifindex: 2, address: LOCAL, prefixLength: 24 }];
const NEGOTIATED = {
  internal: false,
  enhancedRouteRefresh: true,
  codec: {
    ...{ fourOctetAs: true, extendedMessage: false, internal: false, extendedNextHop: false },
    families: [4, 6],
  },
} as Partial<Negotiated> as Negotiated;

function scene(families: readonly Family[] = [4]) {
  const codec = { ...NEGOTIATED.codec, families };
  const negotiated = { ...NEGOTIATED, codec };
  const heard: BgpMessage[] = [];
  const told: string[] = [];
  const state = { queued: 0, reads: true };
  const hear = (bytes: Uint8Array) => {
    const { value } = decodeMessage(bytes, codec);
    if (value) heard.push(value);
    if (!state.reads) state.queued += bytes.length;
  };
  const wire: Wire = {
    context: () => codec,
    send: (message) => hear(encodeMessage(message, codec)),
    sendUpdate: hear,
    get queuedBytes() {
      return state.queued;
    },
    close() {},
    closed: Promise.resolve(),
  };
  const clock = fakeClock();
  const advertiser = createAdvertiser({
    clock,
    ...{ peer: PEER, localAsn: () => 64500, own: () => OWN, complete: false },
    onTold: (prefixes) => told.push(...prefixes),
  });
  let wanted = KeyedMap.empty<BgpRoute>();
  const want = (table: Readonly<Record<string, RouteAttributes>>) => {
    const routes = KeyedMap.from(
      Object.entries(table).map(([text, attributes]) => {
        const prefix = parsePrefix(text);
        if (!prefix) throw new Error(text);
        return [text, { prefix, byPeer: new Map([[PEER, attributes]]) }];
      }),
    );
    advertiser.want(routes, routeChanges(wanted, routes));
    wanted = routes;
  };
  return { clock, negotiated, advertiser, wire, heard, told, state, want };
}

test('what no message can say is not told, and said to be so', (t) => {
  const { negotiated, advertiser, wire, heard, want } = scene();
  const long = { ...PLAIN, communities: Array.from({ length: 2000 }, (_, i) => i) };
  want({ '198.51.100.7/32': long, '198.51.100.8/32': PLAIN });
  advertiser.begin(wire, LOCAL, negotiated);
  t.true(advertiser.has('198.51.100.8/32'));
  t.false(advertiser.has('198.51.100.7/32'));
  t.regex(advertiser.obstacle(), /198\.51\.100\.7\/32: its communities do not fit/);
  t.deepEqual(advertiser.counts(), { announced: 1, pending: 0 });
  const before = heard.length;
  advertiser.flush();
  t.is(heard.length, before, 'it is not tried again and again');
  want({ '198.51.100.7/32': PLAIN, '198.51.100.8/32': PLAIN });
  t.true(advertiser.has('198.51.100.7/32'));
  t.is(advertiser.obstacle(), '');
});

test('a family without a next hop here is mute', (t) => {
  const { negotiated, advertiser, wire, want } = scene([4, 6]);
  t.is(advertiser.obstacle(), '');
  want({ '2001:db8::7/128': PLAIN });
  advertiser.begin(wire, LOCAL, negotiated);
  t.is(advertiser.obstacle(), 'No IPv6 address on its interface: IPv6 is not announced');
  t.deepEqual(advertiser.counts(), { announced: 0, pending: 0 });
});

test('what waits for a peer is limited, whatever its paths are like', (t) => {
  const { negotiated, advertiser, wire, state, heard, want } = scene();
  const communities = Array.from({ length: 900 }, (_, i) => i);
  const table = Object.fromEntries(
    Array.from({ length: 500 }, (_, i) => [
      `198.51.${100 + (i >> 8)}.${i & 255}/32`,
      { ...PLAIN, communities, med: i },
    ]),
  );
  state.reads = false;
  want(table);
  advertiser.begin(wire, LOCAL, negotiated);
  t.true(state.queued < QUEUED_BYTES_MAX + 4096, `${state.queued}`);
  for (let i = 0; i < 100 && heard.length < 500; i++) {
    state.queued = 0;
    advertiser.flush();
  }
  t.is(heard.length, 500);
});

test('End-of-RIB and the answer to a refresh come after what they end', (t) => {
  const { negotiated, advertiser, wire, heard, want } = scene([4, 6]);
  want({ '198.51.100.7/32': PLAIN });
  advertiser.begin(wire, LOCAL, negotiated);
  advertiser.completeTable();
  advertiser.completeTable();
  advertiser.refresh(4);
  const said = heard.map((message) =>
    message.kind === 'update'
      ? `update ${message.announced.length} ${message.endOfRib ?? ''}`.trim()
      : message.kind === 'routeRefresh' && message.subtype,
  );
  t.deepEqual(said, ['update 1', 'update 0 4', 'update 0 6', 'begin', 'update 1', 'end']);
});

test('a peer that asks for its routes all the time is answered once in a while', (t) => {
  const { clock, negotiated, advertiser, wire, heard, want } = scene([4, 6]);
  want({ '198.51.100.7/32': PLAIN, '2001:db8::7/128': PLAIN });
  advertiser.begin(wire, LOCAL, negotiated);
  const answers = () =>
    heard.filter((message) => message.kind === 'routeRefresh' && message.subtype === 'end').length;
  for (let i = 0; i < 1000; i++) advertiser.refresh(4);
  t.is(answers(), 1);
  advertiser.refresh(6);
  t.is(answers(), 2, 'of another family it is another matter');
  clock.advance(REFRESH_PAUSE_MS);
  t.is(answers(), 3, 'who asked meanwhile is answered then');
  clock.advance(10 * REFRESH_PAUSE_MS);
  t.is(answers(), 3);
  advertiser.refresh(4);
  t.is(answers(), 4);
  advertiser.refresh(4);
  advertiser.end();
  advertiser.begin(wire, LOCAL, negotiated);
  clock.advance(10 * REFRESH_PAUSE_MS);
  t.is(answers(), 4, 'a new session owes nothing to the one before');
});

test('end() forgets what the peer was told, and says which prefixes that concerns', (t) => {
  const { negotiated, advertiser, wire, told, want } = scene();
  want({ '198.51.100.7/32': PLAIN });
  advertiser.begin(wire, LOCAL, negotiated);
  told.length = 0;
  advertiser.end();
  t.deepEqual(told, ['198.51.100.7/32']);
  t.deepEqual(advertiser.counts(), { announced: 0, pending: 1 });
});
