import test from 'ava';
import { parseMac } from '../../src/domain/mac.ts';
import { ByteReader, ByteWriter } from '../../src/protocol/bytes.ts';
import { address } from '../support/objects.ts';

test('ByteReader reads what ByteWriter wrote', (t) => {
  const mac = parseMac('02:ff:00:80:00:0a');
  if (mac === undefined) throw new Error('no MAC');
  const bytes = new ByteWriter(1 + 2 + 4 + 6 + 4 + 16 + 3)
    .u8(0xfe)
    .u16(0xfedc)
    .u32(0xfedc_ba98)
    .mac(mac)
    .address(address('192.0.2.1'))
    .address(address('2001:db8::1'))
    .bytes(Uint8Array.of(1, 2, 3))
    .done();
  const reader = new ByteReader(bytes);
  t.is(reader.u8(), 0xfe);
  t.is(reader.u16(), 0xfedc);
  t.is(reader.u32(), 0xfedc_ba98);
  t.is(reader.mac(), mac);
  t.is(reader.ipv4(), address('192.0.2.1'));
  t.is(reader.ipv6(), address('2001:db8::1'));
  t.deepEqual(reader.take(3), Uint8Array.of(1, 2, 3));
  t.is(reader.remaining, 0);
});

test('ByteReader never reads past its array, whatever stands behind it', (t) => {
  const reads = {
    u8: 1,
    u16: 2,
    u32: 4,
    mac: 6,
    ipv4: 4,
    ipv6: 16,
  } as const;
  const memory = new Uint8Array(64).fill(0xff);
  for (const [name, size] of Object.entries(reads)) {
    const reader = new ByteReader(memory.subarray(8, 8 + size - 1));
    t.throws(() => reader[name as keyof typeof reads](), { instanceOf: RangeError }, name);
  }
  t.throws(() => new ByteReader(memory).take(65), { message: 'Cannot read 65 bytes: 64 are left' });
  t.throws(() => new ByteReader(memory).take(-1), { instanceOf: RangeError });
});

test('ByteWriter refuses to write too much or too little', (t) => {
  t.throws(() => new ByteWriter(3).u32(1), { message: 'Cannot write 4 bytes: 3 are left' });
  t.throws(() => new ByteWriter(5).u32(1).done(), { message: 'Wrote 4 of 5 bytes' });
});
