import test from 'ava';
import { decodeRule, encodeRule, encodeRuleDump } from '../../../src/protocol/rtnetlink/rule.ts';

const RULE = { priority: 74, table: 7464, inputInterface: 'lo' } as const;

test('decodeRule() reads back what encodeRule() writes, in both families', (t) => {
  for (const family of [4, 6] as const) {
    t.deepEqual(decodeRule(encodeRule({ family, ...RULE })), { family, ...RULE });
  }
});

test('encodeRule() writes what linux/fib_rules.h says', (t) => {
  const hex = Buffer.from(encodeRule({ family: 4, ...RULE })).toString('hex');
  // Family, action FR_ACT_TO_TBL; FRA_IIFNAME "lo", FRA_PRIORITY 74, FRA_TABLE 7464.
  t.is(
    hex,
    '020000000000000100000000' + '070003006c6f0000' + '080006004a000000' + '08000f00281d0000',
  );
});

test('decodeRule() reads a table below 256 where the header has it', (t) => {
  const body = new Uint8Array(12);
  body[0] = 2;
  body[4] = 254;
  t.deepEqual(decodeRule(body), { family: 4, priority: 0, table: 254, inputInterface: '' });
});

test('decodeRule() refuses other families and short bodies', (t) => {
  const body = encodeRuleDump(6);
  t.is(decodeRule(body)?.family, 6);
  body[0] = 128;
  t.is(decodeRule(body), undefined);
  t.is(decodeRule(new Uint8Array(11)), undefined);
});
