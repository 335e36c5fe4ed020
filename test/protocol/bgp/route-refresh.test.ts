import test from 'ava';
import { decodeMessage } from '../../../src/protocol/bgp/decode-message.ts';
import { encodeMessage } from '../../../src/protocol/bgp/encode-message.ts';
import type { RouteRefreshMessage } from '../../../src/protocol/bgp/message.ts';
import { EXTERNAL, hexOf, wireMessage } from '../../support/bgp-wire.ts';

const SUBTYPES: [wire: string, message: Omit<RouteRefreshMessage, 'kind'>][] = [
  ['0001 00 01', { afi: 1, safi: 1, subtype: 'request' }],
  ['0002 01 01', { afi: 2, safi: 1, subtype: 'begin' }],
  ['0019 02 46', { afi: 25, safi: 70, subtype: 'end' }],
];

for (const [wire, fields] of SUBTYPES)
  test(`ROUTE-REFRESH ${wire} is read and written (RFC 2918, RFC 7313)`, (t) => {
    const message: RouteRefreshMessage = { kind: 'routeRefresh', ...fields };
    t.deepEqual(decodeMessage(wireMessage(5, wire), EXTERNAL), { value: message });
    t.is(hexOf(encodeMessage(message, EXTERNAL)), hexOf(wireMessage(5, wire)));
  });

test('decodeRouteRefresh() leaves subtypes of nobody to be ignored', (t) => {
  for (const subtype of ['03', 'ff']) {
    const { value } = decodeMessage(wireMessage(5, `0001 ${subtype} 01 00`), EXTERNAL);
    t.like(value, { subtype: 'unassigned' });
  }
  const message: RouteRefreshMessage = {
    kind: 'routeRefresh',
    afi: 1,
    safi: 1,
    subtype: 'unassigned',
  };
  t.throws(() => encodeMessage(message, EXTERNAL), { instanceOf: RangeError });
});

test('decodeRouteRefresh() ignores a filter that comes with a request (RFC 5291)', (t) => {
  const { value } = decodeMessage(wireMessage(5, '0001 00 01 01 80 0003 c00000'), EXTERNAL);
  t.like(value, { kind: 'routeRefresh', subtype: 'request' });
});

test('decodeRouteRefresh() refuses a begin or end of another length, quoting it (RFC 7313 §5)', (t) => {
  for (const subtype of ['01', '02']) {
    const bytes = wireMessage(5, `0001 ${subtype} 01 00`);
    const { error } = decodeMessage(bytes, EXTERNAL);
    t.like(error, { code: 7, subcode: 1 });
    t.is(hexOf(error?.data ?? new Uint8Array()), hexOf(bytes));
  }
});
