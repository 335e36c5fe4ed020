import test from 'ava';
import fc from 'fast-check';
import { expectPacket, openDataplane } from '../support/dataplane-fixture.ts';
import { invariantBreaches } from '../support/flow-invariants.ts';
import { anyError } from '../support/icmp-errors.ts';
import {
  at,
  FAMILIES,
  FROM_BACKEND,
  natWorld,
  quoteOf,
  TO_BACKEND,
  TO_CLIENT,
  TRANSPORTS,
} from '../support/nat-world.ts';
import { icmp } from '../support/packet.ts';

/** What ICMP errors quote: packets with options, extension headers, of fragments, cut, and lies. */
const dataplane = openDataplane();
test.beforeEach(() => dataplane.reset());

test.serial('IPv4 options in the quote are read over, and those of the error kept', (t) => {
  const world = natWorld(dataplane, 'IPv4', 'TCP');
  world.open();
  const ipOptions = new Uint8Array([7, 7, 4, 0, 0, 0, 0, 0]); // record route
  const error = { type: 3, code: 1, info: 0, ipOptions };
  const packet = { seq: 5001, ipOptions };
  const sent = icmp({
    from: world.outerRouter,
    to: world.vip,
    payload: quoteOf(world.returned(packet)),
    ...error,
  });
  const got = icmp({
    from: world.nat,
    to: world.backend,
    payload: quoteOf(world.answer({ ...packet, ttl: 63 })),
    ttl: 63,
    ...TO_BACKEND,
    ...error,
  });
  expectPacket(t, dataplane.send(sent), 'tx', got);
});

const FIRST_OF_MORE = { header: 44, rest: new Uint8Array([0, 0, 1, 0, 0, 0, 9]) };
const LATER = { header: 44, rest: new Uint8Array([0, 1, 0, 0, 0, 0, 9]) };
const OPTIONS = { header: 60, rest: new Uint8Array([0, 1, 4, 0, 0, 0, 0]) };

test.serial('IPv6 extension headers in the quote are read over', (t) => {
  const world = natWorld(dataplane, 'IPv6', 'UDP');
  world.open();
  for (const extensions of [[OPTIONS], [FIRST_OF_MORE], [OPTIONS, FIRST_OF_MORE]]) {
    const error = { type: 3, code: 1, info: 0 };
    const sent = icmp({
      from: world.outerRouter,
      to: world.vip,
      payload: quoteOf(world.returned({ extensions })),
      ...error,
    });
    const got = icmp({
      from: world.nat,
      to: world.backend,
      payload: quoteOf(world.answer({ extensions, ttl: 63 })),
      ttl: 63,
      ...TO_BACKEND,
      ...error,
    });
    expectPacket(t, dataplane.send(sent), 'tx', got);
  }
});

test.serial('an error about a first fragment is translated, about a later one dropped', (t) => {
  const world = natWorld(dataplane, 'IPv4', 'UDP');
  world.open();
  const error = { type: 11, code: 1, info: 0 };
  const about = (offset: number) => {
    const fragment = { offset, more: true };
    const quote = quoteOf(world.returned({ fragment, payload: 'data' }));
    return icmp({ from: world.outerRouter, to: world.vip, payload: quote, ...error });
  };
  const got = icmp({
    from: world.nat,
    to: world.backend,
    payload: quoteOf(
      world.answer({ fragment: { offset: 0, more: true }, payload: 'data', ttl: 63 }),
    ),
    ttl: 63,
    ...TO_BACKEND,
    ...error,
  });
  expectPacket(t, dataplane.send(about(0)), 'tx', got);
  expectPacket(t, dataplane.send(about(3)), 'drop', about(3));
  const six = natWorld(dataplane, 'IPv6', 'UDP');
  const later = quoteOf(six.returned({ extensions: [LATER] }));
  const packet = icmp({ from: six.outerRouter, to: six.vip, payload: later, type: 3, code: 1 });
  expectPacket(t, dataplane.send(packet), 'drop', packet);
  t.is(dataplane.counters()['drop_icmp_unmatched'], 2);
});

test.serial('the extensions of RFC 4884, and the length they need, are kept', (t) => {
  const world = natWorld(dataplane, 'IPv4', 'UDP');
  world.open();
  const mpls = [0x20, 0, 0xdf, 0xff, 0, 8, 1, 1, 0, 1, 0x91, 0x40]; // version 2, an MPLS label
  const error = { type: 11, code: 0, info: 32 << 16 }; // 32 words of quote
  const extended = (packet: Uint8Array) => {
    const payload = new Uint8Array(128 + mpls.length);
    payload.set(quoteOf(packet));
    payload.set(mpls, 128);
    return payload;
  };
  const sent = icmp({
    from: world.outerRouter,
    to: world.vip,
    payload: extended(world.returned({ payload: 'odd' })),
    ...error,
  });
  const got = icmp({
    from: world.nat,
    to: world.backend,
    payload: extended(world.answer({ payload: 'odd', ttl: 63 })),
    ttl: 63,
    ...TO_BACKEND,
    ...error,
  });
  expectPacket(t, dataplane.send(sent), 'tx', got);
});

test.serial('a quoted UDP checksum of zero stays zero', (t) => {
  const world = natWorld(dataplane, 'IPv4', 'UDP');
  world.open();
  const noChecksum = true;
  const error = { type: 3, code: 3, info: 0 };
  const sent = icmp({
    from: world.backend,
    to: world.nat,
    payload: quoteOf(world.forwarded({ noChecksum })),
    ...FROM_BACKEND,
    ...error,
  });
  const got = icmp({
    from: world.vip,
    to: world.client,
    payload: quoteOf(world.request({ noChecksum, ttl: 63 })),
    ttl: 63,
    ...TO_CLIENT,
    ...error,
  });
  expectPacket(t, dataplane.send(sent), 'tx', got);
});

test.serial('whatever is quoted: nothing is aborted, nothing sent that no flow knows', (t) => {
  const worlds = FAMILIES.flatMap((family) =>
    TRANSPORTS.map((transport, i) => {
      const index = 1 + i + (family === 'IPv4' ? 0 : 2);
      return natWorld(
        dataplane,
        family,
        transport,
        { index, server: index },
        { index, ring: [index] },
      );
    }),
  );
  for (const world of worlds) world.open();
  const live = dataplane.flows();
  t.is(live.length, 4);
  const natPort = (i: number) => live.find((flow) => flow.server === 1 + i)?.natPort ?? 0;
  const seeds = worlds.flatMap((world, i) => {
    const error = anyError(world.family);
    const packet = { seq: 1001, payload: 'data' };
    const nat = at(world.nat, natPort(i));
    return [
      {
        quote: quoteOf(world.returned({ ...packet, seq: 5001 })),
        fields: { from: world.outerRouter, to: world.vip, ...error },
      },
      {
        quote: quoteOf(world.forwarded({ ...packet, from: nat })),
        fields: { from: world.innerRouter, to: world.nat, ...FROM_BACKEND, ...error },
      },
    ];
  });
  const change = fc.tuple(fc.nat(70), fc.nat(255));
  let sentOn = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.array(change, { maxLength: 3 }),
      fc.nat(90),
      fc.constantFrom(0, 30),
      ({ quote, fields }, changes, size, padding) => {
        const payload = quote.slice(0, size);
        for (const [place, value] of changes) if (place < payload.length) payload[place] = value;
        const packet = icmp({ ...fields, payload, padding });
        const got = dataplane.send(packet);
        t.not(got.verdict, 'aborted');
        t.is(got.packet.length, packet.length);
        if (got.verdict !== 'tx') return expectPacket(t, got, got.verdict, packet);
        sentOn += 1;
        const six = packet[12] === 0x86;
        const to = Buffer.from(got.packet.subarray(six ? 38 : 30, six ? 54 : 34)).toString('hex');
        t.true(KNOWN.has(to), to);
      },
    ),
    { numRuns: 5000 },
  );
  t.true(sentOn > 100, `${sentOn}`);
  t.deepEqual(dataplane.flows(), live);
  t.deepEqual(invariantBreaches(dataplane), []);
});

/** Clients and backends of both families, as they stand in packets. */
const KNOWN = new Set([
  'c6336407',
  '0a010005',
  '20010db8007700000000000000000007',
  'fd010000000000000000000000000005',
]);
