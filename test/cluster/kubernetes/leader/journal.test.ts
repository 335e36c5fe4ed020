import test from 'ava';
import fc from 'fast-check';
import {
  decodeJournal,
  encodeJournal,
  JOURNAL_MAX_BYTES,
  JOURNAL_MAX_ENTRIES,
  type JournalEntry,
  objectionTo,
  withEntries,
  withoutEntries,
} from '../../../../src/cluster/kubernetes/leader/journal.ts';
import { addressFromBigInt } from '../../../../src/domain/address.ts';
import { address } from '../../../support/objects.ts';

const entry = (name: string, version: string, ...ips: string[]): JournalEntry => ({
  service: `default/${name}`,
  uid: `uid-${name}`,
  resourceVersion: version,
  addresses: ips.map(address),
});
const pendingOf = (...entries: JournalEntry[]) => withEntries(new Map(), entries);

test('encodeJournal() and decodeJournal() keep every entry', (t) => {
  const some = fc.record({
    service: fc.string({ minLength: 1 }),
    uid: fc.uuid(),
    resourceVersion: fc.nat().map(String),
    addresses: fc.array(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map(addressFromBigInt), {
      maxLength: 2,
    }),
  });
  fc.assert(
    fc.property(fc.array(some), (entries) => {
      const pending = pendingOf(...entries);
      const read = decodeJournal(encodeJournal(pending));
      t.true(read.complete);
      t.deepEqual(read.entries, [...pending.values()]);
    }),
    { numRuns: 200 },
  );
});

test('decodeJournal() does not take for complete what it cannot read', (t) => {
  const good = '["default/a","u","7","192.0.2.1"]';
  for (const text of [
    undefined,
    '',
    'garbage',
    'null',
    '[]',
    `{"v":2,"entries":[${good}]}`,
    '{"v":1}',
    `{"v":1,"entries":[${good},"x"]}`,
    `{"v":1,"entries":[${good},["default/b","u"]]}`,
    `{"v":1,"entries":[${good},["default/b","u","7","192.0.2"]]}`,
    `{"v":1,"entries":[${good},["default/b","u",7]]}`,
  ]) {
    t.false(decodeJournal(text).complete, text);
  }
  const { entries } = decodeJournal(`{"v":1,"entries":[${good},"x"]}`);
  t.deepEqual(
    entries.map(({ service }) => service),
    ['default/a'],
  );
});

test('withEntries() joins entries of one version, and puts a later one in the place of an earlier', (t) => {
  const first = pendingOf(entry('a', '7', '192.0.2.1'));
  const joined = withEntries(first, [entry('a', '7', '192.0.2.2')]);
  t.deepEqual(joined.get('default/a'), entry('a', '7', '192.0.2.1', '192.0.2.2'));
  t.deepEqual(withEntries(first, [entry('a', '8')]).get('default/a'), entry('a', '8'));
  t.deepEqual([...first.values()], [entry('a', '7', '192.0.2.1')]);
});

test('withoutEntries() leaves entries of another version or object', (t) => {
  const pending = pendingOf(entry('a', '7'), entry('b', '7'));
  const other = { ...entry('b', '7'), uid: 'another' };
  t.deepEqual(
    [...withoutEntries(pending, [entry('a', '6'), other]).keys()],
    ['default/a', 'default/b'],
  );
  t.deepEqual([...withoutEntries(pending, [entry('a', '7')]).keys()], ['default/b']);
});

test('objectionTo() bounds entries and bytes', (t) => {
  const many = (count: number, length: number) =>
    pendingOf(...Array.from({ length: count }, (_, n) => entry(`${'n'.repeat(length)}${n}`, '7')));
  t.is(objectionTo(many(JOURNAL_MAX_ENTRIES, 1)), undefined);
  t.regex(objectionTo(many(JOURNAL_MAX_ENTRIES + 1, 1)) ?? '', /501 address changes/);
  t.regex(objectionTo(many(100, JOURNAL_MAX_BYTES / 100)) ?? '', /bytes/);
});

test('a full journal of the longest names fits into an annotation', (t) => {
  const longest = Array.from({ length: JOURNAL_MAX_ENTRIES }, (_, n) => ({
    service: `${'n'.repeat(63)}/${'s'.repeat(59)}${String(n).padStart(4, '0')}`,
    uid: '0123abcd-0123-0123-0123-0123456789ab',
    resourceVersion: '18446744073709551615',
    addresses: ['255.255.255.254', 'fd00:1234:1234:1234:1234:1234:1234:1234'].map(address),
  }));
  t.is(objectionTo(pendingOf(...longest)), undefined);
});
