import test from 'ava';
import fc from 'fast-check';
import { ipv4 } from '../../../../src/domain/address.ts';
import { formatPrefix, type Prefix, parsePrefix } from '../../../../src/domain/prefix.ts';
import type { CodecContext } from '../../../../src/protocol/bgp/codec-context.ts';
import { decodeMessage } from '../../../../src/protocol/bgp/decode-message.ts';
import type { PathAttributes, UpdateMessage } from '../../../../src/protocol/bgp/message.ts';
import {
  packUpdates,
  type RouteChanges,
} from '../../../../src/protocol/bgp/update/pack-updates.ts';
import { ownPath, path, prefixOf } from '../../../support/bgp-messages.ts';
import { EXTERNAL, INTERNAL, UNNUMBERED } from '../../../support/bgp-wire.ts';
import { address } from '../../../support/objects.ts';

const GLOBAL = { global: address('2001:db8::1'), linkLocal: undefined };
const PATH = ownPath({ nextHop: address('192.0.2.1'), mpNextHop: GLOBAL, communities: [1, 2] });

function prefix(text: string): Prefix {
  return parsePrefix(text) as Prefix;
}

function hosts(count: number): Prefix[] {
  return Array.from({ length: count }, (_, i) => ({ base: ipv4(0x0a000000 + i), length: 32 }));
}

function pack(changes: Partial<RouteChanges>, context: CodecContext = EXTERNAL) {
  const packed = packUpdates({ announce: [], withdraw: [], ...changes }, context);
  const messages = [...packed.messages];
  const updates = messages.map((bytes) => {
    const { value, error } = decodeMessage(bytes, context);
    if (value?.kind !== 'update') throw new Error(`Not an UPDATE: ${JSON.stringify(error)}`);
    return value;
  });
  return { messages, updates, refused: packed.refused };
}

function routesOf({ announced, withdrawn }: UpdateMessage): string[] {
  return [
    ...announced.map((it) => `+ ${formatPrefix(it)}`),
    ...withdrawn.map((it) => `- ${formatPrefix(it)}`),
  ];
}

test('packUpdates() fills messages to 4096 octets, and none is longer', (t) => {
  const announce = hosts(10_000).map((it) => ({ prefix: it, path: PATH }));
  const { messages, updates } = pack({ announce });
  // 23 octets of frame, 7 + 11 + 3 + 4 of attributes; five for each prefix.
  const each = Math.floor((4096 - 23 - 25) / 5);
  t.is(messages.length, Math.ceil(10_000 / each));
  t.deepEqual(
    updates.slice(0, -1).map(({ announced }) => announced.length),
    Array(messages.length - 1).fill(each),
  );
  t.true(messages.every(({ length }) => length <= 4096));
  t.deepEqual(
    updates.flatMap(({ announced }) => announced),
    hosts(10_000),
  );
});

test('packUpdates() fills messages to 65535 octets where that was agreed on', (t) => {
  const announce = hosts(20_000).map((it) => ({ prefix: it, path: PATH }));
  const { messages } = pack({ announce, withdraw: [] }, { ...EXTERNAL, extendedMessage: true });
  t.deepEqual(
    messages.map(({ length }) => length),
    [48 + 13_097 * 5, 48 + 6_903 * 5],
  );
});

test('packUpdates() puts prefixes of equal paths together, be they one object or several', (t) => {
  const other: PathAttributes = { ...PATH, med: 1 };
  const announce = [
    { prefix: prefix('10.0.0.1/32'), path: PATH },
    { prefix: prefix('10.0.0.2/32'), path: other },
    { prefix: prefix('2001:db8::5/128'), path: other },
    { prefix: prefix('10.0.0.3/32'), path: { ...PATH } },
    { prefix: prefix('10.0.0.4/32'), path: { ...other, mpNextHop: undefined } },
    { prefix: prefix('2001:db8::6/128'), path: { ...other, nextHop: undefined } },
  ];
  t.deepEqual(pack({ announce }).updates.map(routesOf), [
    ['+ 10.0.0.1/32', '+ 10.0.0.3/32'],
    ['+ 10.0.0.2/32', '+ 10.0.0.4/32'],
    ['+ 2001:db8::5/128', '+ 2001:db8::6/128'],
  ]);
});

test('packUpdates() keeps paths apart that differ in their next hops only', (t) => {
  const announce = [1, 2, 3].map((last) => ({
    prefix: prefix(`2001:db8::${last}/128`),
    path: { ...PATH, mpNextHop: { ...GLOBAL, linkLocal: address(`fe80::${last % 2}`) } },
  }));
  t.deepEqual(pack({ announce }).updates.map(routesOf), [
    ['+ 2001:db8::1/128', '+ 2001:db8::3/128'],
    ['+ 2001:db8::2/128'],
  ]);
});

test('packUpdates() withdraws before it announces, family by family', (t) => {
  const { updates } = pack({
    announce: [{ prefix: prefix('10.0.0.1/32'), path: PATH }],
    withdraw: [prefix('2001:db8::1/128'), prefix('10.0.0.2/32'), prefix('10.0.0.3/32')],
  });
  t.deepEqual(updates.map(routesOf), [
    ['- 10.0.0.2/32', '- 10.0.0.3/32'],
    ['- 2001:db8::1/128'],
    ['+ 10.0.0.1/32'],
  ]);
});

test('packUpdates() withdraws as many prefixes as fit a message, and no more', (t) => {
  const v6 = Array.from({ length: 600 }, (_, i) => prefix(`2001:db8::${i.toString(16)}/128`));
  const { messages, updates } = pack({ withdraw: [...hosts(2_000), ...v6] });
  t.deepEqual(
    updates.map(({ withdrawn }) => withdrawn.length),
    [814, 814, 372, 239, 239, 122],
  );
  t.true(messages.every(({ length }) => length <= 4096));
});

test('packUpdates() announces IPv4 by IPv6 next hops where agreed on', (t) => {
  const announce = hosts(2_000).map((it) => ({ prefix: it, path: ownPath({ mpNextHop: GLOBAL }) }));
  const { messages, updates, refused } = pack({ announce, withdraw: hosts(1) }, UNNUMBERED);
  t.deepEqual(refused, []);
  t.true(messages.every(({ length }) => length <= 4096));
  t.is(updates.flatMap(({ announced }) => announced).length, 2_000);
  t.deepEqual(updates.at(-1)?.attributes?.mpNextHop, GLOBAL);
});

test('packUpdates() refuses what cannot be said, and withdraws it', (t) => {
  const communities = Array.from({ length: 1_100 }, (_, i) => i);
  const { updates, refused } = pack({
    announce: [
      { prefix: prefix('10.0.0.1/32'), path: { ...PATH, communities } },
      { prefix: prefix('10.0.0.2/32'), path: ownPath({ mpNextHop: GLOBAL }) },
      { prefix: prefix('2001:db8::1/128'), path: ownPath({ nextHop: PATH.nextHop }) },
      { prefix: prefix('10.0.0.3/32'), path: PATH },
    ],
  });
  t.deepEqual(
    refused.map((it) => [formatPrefix(it.prefix), it.reason]),
    [
      ['10.0.0.1/32', 'attributesTooLong'],
      ['10.0.0.2/32', 'noNextHop'],
      ['2001:db8::1/128', 'noNextHop'],
    ],
  );
  t.deepEqual(updates.map(routesOf), [
    ['- 10.0.0.1/32', '- 10.0.0.2/32'],
    ['- 2001:db8::1/128'],
    ['+ 10.0.0.3/32'],
  ]);
});

test('packUpdates() announces the longest attributes that leave room for one prefix', (t) => {
  const fitting = (length: number) => ({ ...PATH, communities: Array(length).fill(7) });
  const attempt = (length: number) =>
    pack({ announce: hosts(2).map((it) => ({ prefix: it, path: fitting(length) })) });
  // 23 octets of frame, 14 of attributes, 4 of the head of COMMUNITIES, 5 of the prefix.
  const most = Math.floor((4096 - 23 - 14 - 4 - 5) / 4);
  t.deepEqual(
    attempt(most).messages.map(({ length }) => length),
    [4094, 4094],
  );
  t.is(attempt(most + 1).refused.length, 2);
  // More than an attribute's length can say.
  t.is(attempt(20_000).refused.length, 2);
});

test('packUpdates() says nothing of a family that the peer does not speak', (t) => {
  const context: CodecContext = { ...EXTERNAL, families: [4] };
  const { updates, refused } = pack(
    {
      announce: [{ prefix: prefix('2001:db8::1/128'), path: PATH }],
      withdraw: [prefix('2001:db8::2/128')],
    },
    context,
  );
  t.deepEqual(updates, []);
  t.like(refused, [{ reason: 'familyNotNegotiated' }]);
});

test('packUpdates() makes messages as they are asked for', (t) => {
  const announce = hosts(10_000).map((it) => ({ prefix: it, path: PATH }));
  const { messages } = packUpdates({ announce, withdraw: [] }, EXTERNAL);
  const iterator = messages[Symbol.iterator]();
  const first = iterator.next().value;
  t.is(first?.length, 48 + 809 * 5);
  const rest = [...{ [Symbol.iterator]: () => iterator }];
  t.is(rest.length, 12);
});

test('packUpdates() says each change once, whatever it is', (t) => {
  const any = fc.oneof(prefixOf(4), prefixOf(6));
  const changes = fc.record({
    paths: fc.array(path, { minLength: 1, maxLength: 3 }),
    prefixes: fc.uniqueArray(fc.tuple(any, fc.nat(), fc.boolean()), {
      maxLength: 60,
      selector: ([it]) => formatPrefix(it),
    }),
  });
  fc.assert(
    fc.property(changes, ({ paths, prefixes }) => {
      const gone = prefixes.filter(([, , stays]) => !stays).map(([it]) => it);
      const announce = prefixes
        .filter(([, , stays]) => stays)
        .map(([it, at]) => ({ prefix: it, path: paths[at % paths.length] as PathAttributes }));
      const { updates } = pack({ announce, withdraw: gone }, INTERNAL);
      const texts = (some: readonly Prefix[]) => some.map(formatPrefix).sort();
      t.deepEqual(texts(updates.flatMap(({ withdrawn }) => withdrawn)), texts(gone));
      t.deepEqual(
        texts(updates.flatMap(({ announced }) => announced)),
        texts(announce.map((it) => it.prefix)),
      );
    }),
  );
});
