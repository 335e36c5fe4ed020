import test from 'ava';
import { type CodecContext, INITIAL_CONTEXT } from '../../../src/protocol/bgp/codec-context.ts';
import { createFramer } from '../../../src/protocol/bgp/framer.ts';
import { EXTERNAL, hexOf, octets, wireMessage } from '../../support/bgp-wire.ts';

const KEEPALIVE = wireMessage(4, '');
const UPDATE = wireMessage(2, '0000 0000 18 c63364');
const EXTENDED: CodecContext = { ...EXTERNAL, extendedMessage: true };

test('push() cuts messages out of a stream, wherever it was split', (t) => {
  const stream = Buffer.concat([KEEPALIVE, UPDATE, UPDATE, KEEPALIVE]);
  const expected = [KEEPALIVE, UPDATE, UPDATE, KEEPALIVE].map(hexOf);
  for (let size = 1; size <= stream.length; size++) {
    const framer = createFramer();
    const messages: string[] = [];
    for (let at = 0; at < stream.length; at += size) {
      const framed = framer.push(stream.subarray(at, at + size), EXTERNAL);
      t.is(framed.error, undefined);
      messages.push(...framed.messages.map(hexOf));
    }
    t.deepEqual(messages, expected);
  }
});

test('push() gives copies, which outlive the chunk', (t) => {
  const chunk = Buffer.from(UPDATE);
  const { messages } = createFramer().push(chunk, EXTERNAL);
  chunk.fill(0);
  t.deepEqual(messages.map(hexOf), [hexOf(UPDATE)]);
});

test('push() gives the messages before an error, and then the same error for ever', (t) => {
  const framer = createFramer();
  const broken = framer.push(Buffer.concat([KEEPALIVE, new Uint8Array(19)]), EXTERNAL);
  t.deepEqual(broken.messages.map(hexOf), [hexOf(KEEPALIVE)]);
  t.like(broken.error, { code: 1, subcode: 1 });
  t.deepEqual(framer.push(KEEPALIVE, EXTERNAL), { messages: [], error: broken.error });
});

/** RFC 4271 §6.1, RFC 8654 §4, RFC 2918 §3. */
const HEADERS: [what: string, header: string, context: CodecContext, error: string | undefined][] =
  [
    ['a marker that is not all ones', `${'ff'.repeat(15)}fe001304`, EXTERNAL, '1/1 '],
    ['a length below that of the header', `${'ff'.repeat(16)}001202`, EXTERNAL, '1/2 0012'],
    ['a length above 4096', `${'ff'.repeat(16)}100102`, EXTERNAL, '1/2 1001'],
    ['4096', `${'ff'.repeat(16)}100002`, EXTERNAL, undefined],
    ['65535 where that was agreed on', `${'ff'.repeat(16)}ffff02`, EXTENDED, undefined],
    ['an OPEN above 4096 even so', `${'ff'.repeat(16)}100101`, EXTENDED, '1/2 1001'],
    ['a KEEPALIVE with a body', `${'ff'.repeat(16)}001404`, EXTENDED, '1/2 0014'],
    ['an OPEN that is too short', `${'ff'.repeat(16)}001c01`, INITIAL_CONTEXT, '1/2 001c'],
    ['an UPDATE that is too short', `${'ff'.repeat(16)}001602`, EXTERNAL, '1/2 0016'],
    ['a NOTIFICATION that is too short', `${'ff'.repeat(16)}001403`, EXTERNAL, '1/2 0014'],
    ['a ROUTE-REFRESH that is too short', `${'ff'.repeat(16)}001605`, EXTERNAL, '1/2 0016'],
    ['a type of nobody', `${'ff'.repeat(16)}001306`, EXTERNAL, '1/3 06'],
    ['type 0', `${'ff'.repeat(16)}001300`, EXTERNAL, '1/3 00'],
    ['type 255', `${'ff'.repeat(16)}0013ff`, EXTERNAL, '1/3 ff'],
  ];

for (const [what, header, context, expected] of HEADERS)
  test(`push() ${expected === undefined ? 'waits for the rest of' : 'refuses'} ${what}`, (t) => {
    const { messages, error } = createFramer().push(octets(header), context);
    t.deepEqual(messages, []);
    t.is(error && `${error.code}/${error.subcode} ${hexOf(error.data)}`, expected);
  });
