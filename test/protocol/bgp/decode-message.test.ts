import test from 'ava';
import fc from 'fast-check';
import { type CodecContext, INITIAL_CONTEXT } from '../../../src/protocol/bgp/codec-context.ts';
import { decodeMessage } from '../../../src/protocol/bgp/decode-message.ts';
import { encodeMessage } from '../../../src/protocol/bgp/encode-message.ts';
import { describeNotification } from '../../../src/protocol/bgp/notification/notification.ts';
import { openMessage, path, prefixOf } from '../../support/bgp-messages.ts';
import { EXTERNAL, hexOf, INTERNAL, OLD, UNNUMBERED, wireMessage } from '../../support/bgp-wire.ts';
import { createMutator } from '../../support/mutate.ts';

const CONTEXTS: readonly CodecContext[] = [
  INITIAL_CONTEXT,
  EXTERNAL,
  INTERNAL,
  OLD,
  { ...UNNUMBERED, extendedMessage: true },
];
const MUTATIONS = 100_000;
const HEADER_SIZE = 19;

test('a KEEPALIVE is a header and nothing else', (t) => {
  const bytes = encodeMessage({ kind: 'keepalive' }, EXTERNAL);
  t.is(hexOf(bytes), `${'ff'.repeat(16)}001304`);
  t.deepEqual(decodeMessage(bytes, EXTERNAL), { value: { kind: 'keepalive' } });
});

test('decodeMessage() refuses octets that are not one whole message', (t) => {
  const update = wireMessage(2, '0000 0000');
  for (const bytes of [
    new Uint8Array(),
    update.subarray(0, 18),
    update.subarray(0, 22),
    Uint8Array.of(...update, 0),
  ])
    t.like(decodeMessage(bytes, EXTERNAL).error, { code: 1, subcode: 2 });
});

test('encodeMessage() refuses a message longer than the session allows', (t) => {
  const [attributes] = fc.sample(path, 1);
  const [prefix] = fc.sample(prefixOf(4), 1);
  if (attributes === undefined || prefix === undefined) return t.fail();
  const message = {
    kind: 'update',
    withdrawn: [],
    announced: Array(4_000).fill(prefix),
    attributes,
    endOfRib: undefined,
    faults: [],
  } as const;
  t.throws(() => encodeMessage(message, EXTERNAL), { message: /octets exceeds the 4096 of/ });
});

/** Whole messages of every type, all that they can say in them. */
function messages(seed: number): Uint8Array[] {
  const updates = fc.record({
    kind: fc.constant('update' as const),
    withdrawn: fc.array(prefixOf(6), { maxLength: 5 }),
    announced: fc.array(prefixOf(4), { minLength: 1, maxLength: 5 }),
    attributes: path,
    endOfRib: fc.constant(undefined),
    faults: fc.constant([]),
  });
  const sample = { seed, numRuns: 40 };
  return [
    ...fc.sample(openMessage, sample).map((open) => encodeMessage(open, INITIAL_CONTEXT)),
    ...fc
      .sample(updates, sample)
      .flatMap((update) => [
        encodeMessage(update, INTERNAL),
        encodeMessage({ ...update, announced: [], withdrawn: update.announced }, UNNUMBERED),
      ]),
    wireMessage(3, '0602 05 68656c6c6f'),
    wireMessage(5, '0001 00 01 01 80 0003 c00000'),
  ];
}

/** With the marker and length right, or else every one ends at the header. */
function mend(message: Uint8Array): Uint8Array {
  if (message.length < HEADER_SIZE) return message;
  message.fill(0xff, 0, 16);
  message[16] = message.length >> 8;
  message[17] = message.length & 0xff;
  return message;
}

test(`decodeMessage() takes ${MUTATIONS} damaged messages without throwing`, (t) => {
  const originals = messages(4271);
  const { mutate, random } = createMutator(7606);
  // Around the message lies what must not be read: a change of it changes nothing.
  const arena = new Uint8Array(10_000);
  const seen = new Set<string>();
  for (let i = 0; i < MUTATIONS; i++) {
    const original = originals[random(originals.length)] ?? new Uint8Array();
    const context = CONTEXTS[random(CONTEXTS.length)] ?? EXTERNAL;
    const length = mutate(original, arena.subarray(100, 9_000));
    const bytes = mend(arena.subarray(100, 100 + length));
    const { value, error } = decodeMessage(bytes, context);
    if (error !== undefined) {
      seen.add(`${error.code}/${error.subcode}`);
      if (!describeNotification(error)) t.fail();
    } else {
      seen.add(value.kind);
      if (value.kind === 'update') for (const { approach } of value.faults) seen.add(approach);
    }
    if (i % 10 > 0) continue;
    const before = { value, error };
    arena.fill(0xee, 0, 100).fill(0xee, 100 + length);
    if (!isEqual(decodeMessage(bytes, context), before)) t.fail(hexOf(bytes));
  }
  for (const what of ['open', 'update', 'notification', 'treatAsWithdraw', 'attributeDiscard'])
    t.true(seen.has(what), what);
  for (const what of ['disableFamily', '1/2', '2/0', '2/4', '3/1', '3/9', '3/10', '3/11'])
    t.true(seen.has(what), what);
});

function isEqual(a: unknown, b: unknown): boolean {
  const text = (of: unknown) =>
    JSON.stringify(of, (_, value) => (typeof value === 'bigint' ? `${value}n` : value));
  return text(a) === text(b);
}

test('what decodeMessage() gives is not what it was given', (t) => {
  for (const message of messages(8654)) {
    const bytes = message.slice();
    const before = decodeMessage(bytes, INTERNAL);
    const text = JSON.stringify(before, (_, value) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    bytes.fill(0);
    const after = JSON.stringify(before, (_, value) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    t.is(after, text);
  }
});
