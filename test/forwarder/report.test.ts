import test from 'ava';
import type { VipServing } from '../../src/domain/observed.ts';
import { createReport } from '../../src/forwarder/report.ts';
import type { Json } from '../../src/system/json.ts';
import type { LedgerWriter } from '../../src/system/ledger.ts';
import { READY_KEY } from '../../src/system/reports.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { settle } from '../support/fake-rtnetlink.ts';
import { address } from '../support/objects.ts';
import { recordingLog } from '../support/recording-log.ts';

function bench(before: Readonly<Record<string, Json>> = {}) {
  const entries = new Map(Object.entries(before));
  const puts: string[][] = [];
  const state = { failure: undefined as Error | undefined, closed: false };
  const ledger: LedgerWriter = {
    entries,
    damage: [],
    async put(changes) {
      if (state.failure) throw state.failure;
      const batch = [...changes];
      puts.push(batch.map(([key]) => key));
      for (const [key, value] of batch) {
        if (value === undefined) entries.delete(key);
        else entries.set(key, value);
      }
    },
    async close() {
      state.closed = true;
    },
  };
  const clock = fakeClock();
  return { entries, puts, state, clock, report: createReport(ledger, clock, recordingLog()) };
}

function serving(text: string, fields: Partial<VipServing> = {}): [string, VipServing] {
  const base = {
    service: 'default/web',
    servable: true,
    usableBackends: 2,
    backends: 2,
    reason: '',
  };
  return [text, { ...base, address: address(text), revision: 1, ...fields }];
}

test('what is said in one turn goes into one write', async (t) => {
  const { entries, puts, report } = bench();
  report.say(new Map([serving('192.0.2.1'), serving('192.0.2.2')]));
  report.sayReady(true);
  await settle();
  t.deepEqual(puts, [['192.0.2.1', '192.0.2.2', READY_KEY]]);
  t.like(entries.get('192.0.2.1'), { address: '192.0.2.1', servable: true });
  t.like(entries.get(READY_KEY), { ready: true });
  t.deepEqual(report.addresses(), ['192.0.2.1', '192.0.2.2']);
});

test('only changes are written; a new revision alone is none', async (t) => {
  const { puts, report } = bench();
  report.say(new Map([serving('192.0.2.1')]));
  report.sayReady(true);
  await settle();
  report.say(new Map([serving('192.0.2.1', { revision: 2 })]));
  report.sayReady(true);
  await settle();
  t.is(puts.length, 1);
  report.say(new Map([serving('192.0.2.1', { revision: 3, usableBackends: 1 })]));
  await settle();
  t.deepEqual(puts[1], ['192.0.2.1']);
});

test('what an earlier process said counts as said', async (t) => {
  const first = bench();
  first.report.say(new Map([serving('192.0.2.1')]));
  await settle();
  const second = bench(Object.fromEntries(first.entries));
  second.report.say(new Map([serving('192.0.2.1'), ['192.0.2.9', undefined]]));
  await settle();
  t.deepEqual(second.puts, []);
  second.report.say(new Map([['192.0.2.1', undefined]]));
  await settle();
  t.deepEqual([...second.entries], []);
});

test('a write that fails is tried again with what was said since', async (t) => {
  const { entries, state, clock, report } = bench();
  state.failure = new Error('No space left on device');
  report.say(new Map([serving('192.0.2.1')]));
  await settle();
  report.say(new Map([serving('192.0.2.1', { servable: false })]));
  await settle();
  t.deepEqual([...entries], []);
  state.failure = undefined;
  clock.advance(1000);
  await settle();
  t.like(entries.get('192.0.2.1'), { servable: false });
});

test('close() writes what is left to be said, and leaves the report', async (t) => {
  const { entries, state, report } = bench();
  report.say(new Map([serving('192.0.2.1')]));
  await report.close();
  t.true(state.closed);
  t.true(entries.has('192.0.2.1'));
});
