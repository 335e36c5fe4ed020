import test from 'ava';
import type { Mac } from '../../../src/domain/mac.ts';
import { gratuitousFrames } from '../../../src/speaker/l2/gratuitous-frames.ts';
import { address } from '../../support/objects.ts';

const MAC = 0x0200_0000_00ed as Mac;

function hex(vip: string): string[] {
  return gratuitousFrames(address(vip), MAC).map((frame) => Buffer.from(frame).toString('hex'));
}

test('gratuitousFrames() announces IPv4 as request and as reply, to everybody', (t) => {
  const start = 'ffffffffffff' + '0200000000ed' + '0806' + '000108000604';
  const sender = '0200000000edc0000264';
  t.deepEqual(hex('192.0.2.100'), [
    `${start}0001${sender}000000000000c0000264`,
    `${start}0002${sender}0200000000edc0000264`,
  ]);
});

test('gratuitousFrames() announces IPv6 by an advertisement with override, to all nodes', (t) => {
  const vip = '20010db8000000000000000000000100';
  const [frame = ''] = hex('2001:db8::100');
  t.is(
    frame.replace(/^(.{112})..../, '$1cccc'),
    `333300000001${'0200000000ed'}86dd${'6000000000203aff'}${vip}ff020000000000000000000000000001` +
      `8800cccc20000000${vip}02010200000000ed`,
  );
  t.is(hex('2001:db8::100').length, 1);
});
