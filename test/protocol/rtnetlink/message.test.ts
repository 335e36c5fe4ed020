import test from 'ava';
import fc from 'fast-check';
import { decodeInterfaceAddress } from '../../../src/protocol/rtnetlink/interface-address.ts';
import { decodeLink } from '../../../src/protocol/rtnetlink/link.ts';
import {
  decodeAttributes,
  decodeErrno,
  decodeMessages,
  encodeBody,
  encodeMessage,
  readText,
  readU32,
} from '../../../src/protocol/rtnetlink/message.ts';
import { decodeNeighbour } from '../../../src/protocol/rtnetlink/neighbour.ts';
import { decodeRoute } from '../../../src/protocol/rtnetlink/route.ts';
import { decodeRule } from '../../../src/protocol/rtnetlink/rule.ts';
import { CAPTURED, capturedBody } from './captured.ts';

const bytes = fc.uint8Array({ maxLength: 40 });

test('decodeMessages() reads back what encodeMessage() writes, several in one read', (t) => {
  const message = fc.record({
    type: fc.nat(0xffff),
    flags: fc.nat(0xffff),
    sequence: fc.nat(0xffff_ffff),
    body: fc.uint8Array({ maxLength: 40 }).filter((body) => body.length % 4 === 0),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
      t.deepEqual(decodeMessages(Buffer.concat(messages.map(encodeMessage))).map(plain), messages);
    }),
  );
});

function plain(message: ReturnType<typeof decodeMessages>[number]) {
  return { ...message, body: Uint8Array.from(message.body) };
}

test('decodeAttributes() reads back what encodeBody() writes', (t) => {
  const attributes = fc.uniqueArray(fc.tuple(fc.nat(0x3fff), bytes), {
    selector: ([type]) => type,
  });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 12, maxLength: 12 }), attributes, (fixed, list) => {
      const body = encodeBody(fixed, list);
      const read = decodeAttributes(body, 12);
      t.is(read.size, list.length);
      for (const [type, value] of list) t.deepEqual(Uint8Array.from(read.get(type) ?? []), value);
    }),
  );
});

test('a message whose length lies ends the reading, and what came before it stands', (t) => {
  const good = encodeMessage({ type: 1, flags: 0, sequence: 7, body: new Uint8Array(4) });
  for (const length of [0, 15, 21, 0xffff_ffff]) {
    const bad = Uint8Array.from(good);
    new DataView(bad.buffer).setUint32(0, length, true);
    t.is(decodeMessages(Buffer.concat([good, bad])).length, 1);
  }
});

test('decodeErrno() tells what the kernel answered', (t) => {
  t.is(decodeErrno(capturedBody('error ENETUNREACH')), 101);
  t.is(decodeErrno(capturedBody('error EHOSTUNREACH')), 113);
  t.is(decodeErrno(capturedBody('dump done')), 0);
  t.is(decodeErrno(new Uint8Array(3)), 0);
});

test('readU32() and readText() take only what is there', (t) => {
  t.is(readU32(new Uint8Array(3)), undefined);
  t.is(readU32(undefined), undefined);
  t.is(readText(new TextEncoder().encode('eth0')), 'eth0');
  t.is(readText(new TextEncoder().encode('eth0\0junk')), 'eth0');
  t.is(readText(undefined), '');
});

test('no mutated message makes a decoder throw or read beyond it', (t) => {
  const messages = Object.values(CAPTURED).map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')));
  const decoders = [decodeLink, decodeInterfaceAddress, decodeNeighbour, decodeRoute, decodeRule];
  let random = 0x2545_f491;
  const next = (limit: number) => {
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    return (random >>> 0) % limit;
  };
  for (let run = 0; run < 60_000; run++) {
    const original = messages[run % messages.length] as Uint8Array;
    // A canary behind the message shows when somebody reads beyond its end.
    const room = new Uint8Array(original.length + 64).fill(0xa5);
    room.set(original);
    const length = next(4) === 0 ? next(original.length + 1) : original.length;
    const mutated = room.subarray(0, length);
    for (let i = next(6); i > 0 && length > 0; i--) mutated[next(length)] = next(256);
    for (const { body } of decodeMessages(mutated)) {
      if (body.byteOffset + body.length > length) t.fail('a body reaches beyond what was read');
      for (const decode of decoders) decode(body);
    }
    for (const decode of decoders) decode(mutated.subarray(Math.min(16, length)));
  }
  t.pass();
});
