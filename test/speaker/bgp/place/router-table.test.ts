import test from 'ava';
import { formatAddress } from '../../../../src/domain/address.ts';
import { createRouterTable, MAX_ROUTERS } from '../../../../src/speaker/bgp/place/router-table.ts';
import { address } from '../../../support/objects.ts';

test('a table forgets who was last heard before, and tells who is silent', (t) => {
  const table = createRouterTable();
  t.true(table.isSilentSince(0), 'nobody was heard');
  table.hear(address('fe80::2'), 100);
  table.hear(address('fe80::1'), 200);
  t.deepEqual(table.routers().map(formatAddress), ['fe80::1', 'fe80::2']);
  t.true(table.isSilentSince(101));
  t.false(table.isSilentSince(100));
  table.hear(address('fe80::2'), 300);
  table.forgetBefore(300);
  t.deepEqual(table.routers().map(formatAddress), ['fe80::2']);
});

test('a full table takes nobody, and goes on hearing whom it knows', (t) => {
  const table = createRouterTable();
  for (let i = 0; i < MAX_ROUTERS; i++) t.true(table.hear(address(`fe80::${i}`), i));
  t.false(table.hear(address('fe80::ffff'), 50));
  t.true(table.hear(address('fe80::0'), 60));
  table.forgetBefore(60);
  t.deepEqual(table.routers().map(formatAddress), ['fe80::']);
  t.true(table.hear(address('fe80::ffff'), 70));
});
