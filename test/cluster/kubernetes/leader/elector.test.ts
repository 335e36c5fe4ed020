import test from 'ava';
import {
  RELEASE_PATIENCE_MS,
  step,
  TAKE_OVER_TRIES,
} from '../../../../src/cluster/kubernetes/leader/elector.ts';
import {
  DURATION_MAX_MS,
  type ElectorEffect,
  type ElectorEvent,
  holderOf,
  initialElector,
  leads,
} from '../../../../src/cluster/kubernetes/leader/elector-state.ts';
import {
  decodeJournal,
  JOURNAL_MAX_ENTRIES,
  type JournalEntry,
} from '../../../../src/cluster/kubernetes/leader/journal.ts';
import {
  decodeLease,
  encodeLease,
  type Lease,
  type LeaseContent,
  newLease,
} from '../../../../src/cluster/kubernetes/leader/lease.ts';

const DURATIONS = { durationMs: 10_000, renewDeadlineMs: 7_000, retryPeriodMs: 2_000 };
const EMPTY = '{"v":1,"entries":[]}';

const entry = (name: string, resourceVersion = '5'): JournalEntry => ({
  service: `default/${name}`,
  uid: `uid-${name}`,
  resourceVersion,
  addresses: [],
});

/** An elector whose effects the test carries out, at times that it says. */
function bench() {
  let state = initialElector('me', DURATIONS);
  let nowMs = 100_000;
  let version = 7;
  let begins = 0;
  let effects: readonly ElectorEffect[] = [];
  const bench = {
    state: () => state,
    leads: () => leads(state, nowMs),
    holder: () => holderOf(state, nowMs),
    later(ms: number) {
      nowMs += ms;
      return bench;
    },
    /** Kinds of the effects that follow, without timers and logs. */
    on(event: ElectorEvent): string[] {
      const done = step(state, event, { nowMs, wallMs: nowMs, random: 1 });
      state = done.state;
      effects = done.effects;
      return effects.map(({ kind }) => kind).filter((kind) => kind !== 'wake' && kind !== 'log');
    },
    tick: () => bench.on({ kind: 'tick' }),
    effect<K extends ElectorEffect['kind']>(kind: K) {
      return effects.find((effect) => effect.kind === kind) as
        | Extract<ElectorEffect, { kind: K }>
        | undefined;
    },
    wakeInMs: () => (bench.effect('wake')?.atMs ?? Number.NaN) - nowMs,
    /** The Lease as it is after somebody else's write. */
    lease: (content: Partial<LeaseContent>, uid = 'u'): Lease => {
      const whole: LeaseContent = {
        ...{ holder: 'other', durationMs: 10_000, acquireTime: 'a', transitions: 1 },
        ...{ renewTime: `r${version}`, journal: EMPTY },
        ...content,
      };
      return stored(newLease('ns', 'n', whole), uid);
    },
    /** The Lease as it is after the write that is under way. */
    written(): Lease {
      const { lease, content } = bench.writing();
      return stored(lease ? encodeLease(lease, content) : newLease('ns', 'n', content));
    },
    writing: () => bench.effect('write') as Extract<ElectorEffect, { kind: 'write' }>,
    succeed: () => bench.on({ kind: 'written', lease: bench.written() }),
    begin: (...entries: JournalEntry[]) =>
      bench.on({ kind: 'begin', begin: { id: ++begins, entries } }),
    /** Leads, on a Lease that somebody left. */
    lead(journal: string | undefined = EMPTY) {
      bench.tick();
      bench.on({ kind: 'read', lease: bench.lease({ holder: '', journal }) });
      bench.succeed();
      bench.on({ kind: 'tookOver', term: state.term });
      bench.succeed();
      return bench;
    },
  };
  const stored = (body: unknown, uid = 'u'): Lease => {
    const { metadata, ...rest } = body as { metadata: object };
    const at = { uid, name: 'n', resourceVersion: String(++version) };
    return decodeLease({ ...rest, metadata: { ...metadata, ...at } }) as Lease;
  };
  return bench;
}

test('step() creates a missing Lease, and does not trust that nothing was under way', (t) => {
  const it = bench();
  t.deepEqual(it.tick(), ['read']);
  t.deepEqual(it.on({ kind: 'read', lease: undefined }), ['write']);
  t.like(it.writing(), { lease: undefined, content: { holder: 'me', transitions: 0 } });
  t.is(it.writing().content.journal, undefined);
  t.deepEqual(it.succeed(), ['takeOver']);
  t.deepEqual(it.effect('takeOver')?.journal, { entries: [], complete: false });
  t.false(it.leads());
  t.is(it.holder(), 'me');
  t.deepEqual(it.on({ kind: 'tookOver', term: 1 }), ['write']);
  t.is(it.writing().content.journal, EMPTY);
  t.false(it.leads());
  it.succeed();
  t.true(it.leads());
});

test('step() waits for the end of another hold by its own clock, from the last change that it saw', (t) => {
  const it = bench();
  it.tick();
  const lease = it.lease({ renewTime: '1999-01-01T00:00:00.000000Z' });
  t.deepEqual(it.on({ kind: 'read', lease }), []);
  t.is(it.holder(), 'other');
  it.later(2_000);
  t.deepEqual(it.tick(), ['read']);
  t.deepEqual(it.on({ kind: 'read', lease: it.lease({}) }), []);
  for (let ms = 2_000; ms < 10_000; ms += 2_000) {
    it.later(2_000);
    t.deepEqual(it.tick(), ['read']);
    const same = { ...it.state().lease } as Lease;
    t.deepEqual(it.on({ kind: 'read', lease: same }), []);
  }
  t.deepEqual(it.later(1_999).tick(), []);
  t.is(it.holder(), 'other');
  it.later(1);
  t.is(it.holder(), '');
  t.deepEqual(it.tick(), ['write']);
  t.like(it.writing().content, { holder: 'me', transitions: 2, journal: EMPTY });
});

test('step() takes over at once when it sees a release', (t) => {
  const it = bench();
  it.tick();
  it.on({ kind: 'read', lease: it.lease({}) });
  t.deepEqual(it.on({ kind: 'seen', lease: it.lease({ holder: '', durationMs: 1_000 }) }), [
    'write',
  ]);
});

test('step() does not let a late watch take it back', (t) => {
  const it = bench();
  it.tick();
  const late = it.lease({ holder: '' });
  it.on({ kind: 'read', lease: it.lease({}) });
  t.deepEqual(it.on({ kind: 'seen', lease: late }), []);
  t.is(it.holder(), 'other');
  t.deepEqual(it.on({ kind: 'seen', lease: undefined }), ['read']);
});

test('step() does not wait for ever for a holder with an absurd duration', (t) => {
  const it = bench();
  it.tick();
  it.on({ kind: 'read', lease: it.lease({ durationMs: 1e12 }) });
  const { lease } = it.state();
  it.later(DURATION_MAX_MS - 1).tick();
  t.deepEqual(it.on({ kind: 'read', lease }), []);
  t.deepEqual(it.later(1).tick(), ['write']);
});

test('step() renews in time, and holds no longer than the deadline after a renewal was sent', (t) => {
  const it = bench().lead();
  t.is(it.wakeInMs(), 2_000);
  t.deepEqual(it.later(2_000).tick(), ['write']);
  it.later(3_000).succeed();
  t.is(it.state().renewedMs, 102_000);
  t.true(it.later(3_999).leads());
  t.false(it.later(1).leads());
  t.is(it.state().role, 'leading');
  it.tick();
  t.is(it.state().role, 'standby');
  t.is(it.state().lost, 1);
});

test('step() ceases to lead before others may take over', (t) => {
  const it = bench().lead();
  it.later(2_000).tick();
  t.deepEqual(it.on({ kind: 'writeUnknown', problem: 'timeout' }), ['read']);
  t.deepEqual(it.on({ kind: 'readFailed', problem: 'refused' }), []);
  t.deepEqual(it.later(2_000).tick(), ['read']);
  t.deepEqual(it.on({ kind: 'readFailed', problem: 'refused' }), []);
  t.true(it.leads());
  it.later(3_000).tick();
  t.false(it.leads());
  t.is(it.state().problem, 'refused');
});

test('step() takes an unanswered write for done only when the Lease says so', (t) => {
  const it = bench().lead();
  it.begin(entry('a'));
  const done = it.written();
  t.deepEqual(it.on({ kind: 'writeUnknown', problem: 'timeout' }), ['read']);
  t.deepEqual(it.on({ kind: 'read', lease: done }), ['begun']);
  t.deepEqual([...it.state().pending.keys()], ['default/a']);

  const before = it.state().lease;
  it.begin(entry('b'));
  it.on({ kind: 'writeUnknown', problem: 'timeout' });
  t.deepEqual(it.on({ kind: 'read', lease: before }), ['write']);
  t.is(decodeJournal(it.writing().content.journal).entries.length, 2);
  t.deepEqual(it.succeed(), ['begun']);
});

test('step() goes on when somebody only labels the Lease', (t) => {
  const it = bench().lead();
  const { lease } = it.state();
  it.later(2_000).tick();
  t.deepEqual(it.on({ kind: 'writeRefused' }), ['read']);
  const metadata = { ...lease?.object.metadata, resourceVersion: '99', labels: { a: 'b' } };
  const labelled = decodeLease({ ...lease?.object, metadata });
  t.deepEqual(it.on({ kind: 'read', lease: labelled }), ['write']);
  t.true(it.leads());
});

test('step() does not lead by a Lease that it did not write, even with its name in it', (t) => {
  const changes: readonly Partial<LeaseContent>[] = [
    { holder: 'other' },
    { holder: '' },
    { holder: 'me', transitions: 40 },
    { holder: 'me', renewTime: '', acquireTime: '' },
  ];
  for (const change of changes) {
    const it = bench().lead();
    it.later(2_000).tick();
    it.on({ kind: 'writeRefused' });
    it.on({ kind: 'read', lease: it.lease(change) });
    t.false(it.leads());
    t.is(it.state().lost, 1);
  }
  const it = bench().lead();
  it.later(2_000).tick();
  it.on({ kind: 'writeRefused' });
  t.deepEqual(it.on({ kind: 'read', lease: undefined }), ['write']);
  t.false(it.leads());
});

test('step() notes what is begun together in one write, which is a renewal, too', (t) => {
  const it = bench().lead();
  t.deepEqual(it.later(1_000).begin(entry('a')), ['write']);
  t.deepEqual(it.begin(entry('b')), []);
  t.deepEqual(it.begin(entry('c')), []);
  t.is(it.state().queue.length, 2);
});

test('step() sends what was begun meanwhile with the next write', (t) => {
  const it = bench().lead();
  it.begin(entry('a'));
  const first = it.written();
  it.begin(entry('b'));
  it.begin(entry('c'));
  t.deepEqual(it.on({ kind: 'written', lease: first }), ['begun', 'write']);
  const { entries } = decodeJournal(it.writing().content.journal);
  t.deepEqual(
    entries.map(({ service }) => service),
    ['default/a', 'default/b', 'default/c'],
  );
  t.deepEqual(it.succeed(), ['begun']);
  t.is(it.effect('begun')?.begins.length, 2);
});

test('step() takes what is ended out of the journal with the next renewal', (t) => {
  const it = bench().lead();
  it.begin(entry('a'), entry('b'));
  it.succeed();
  t.deepEqual(it.on({ kind: 'end', entries: [entry('a'), entry('b', '6')] }), []);
  t.deepEqual([...it.state().pending.keys()], ['default/b']);
  t.deepEqual(it.later(2_000).tick(), ['write']);
  t.is(decodeJournal(it.writing().content.journal).entries.length, 1);
});

test('step() refuses to begin without the Lease, and what does not fit', (t) => {
  const it = bench();
  t.deepEqual(it.begin(entry('a')), ['notBegun', 'read']);
  const leader = bench().lead();
  const many = Array.from({ length: JOURNAL_MAX_ENTRIES }, (_, n) => entry(`s${n}`));
  t.deepEqual(leader.begin(...many), ['write']);
  t.deepEqual(leader.begin(entry('more')), ['notBegun']);
  leader.later(7_000);
  t.deepEqual(leader.begin(entry('s0')), ['notBegun', 'notBegun']);
});

test('step() tells who waits when the Lease is lost or the write denied', (t) => {
  const it = bench().lead();
  it.begin(entry('a'));
  t.deepEqual(it.on({ kind: 'writeDenied', problem: '403' }), ['notBegun']);
  t.is(it.effect('notBegun')?.problem, '403');
  it.later(2_000).begin(entry('b'));
  it.on({ kind: 'writeRefused' });
  t.deepEqual(it.on({ kind: 'read', lease: it.lease({ holder: 'other' }) }), ['notBegun']);
});

test('step() hands over what stood in the journal, and keeps it until that is seen to', (t) => {
  const journal = '{"v":1,"entries":[["default/a","uid-a","5"]]}';
  const it = bench();
  it.tick();
  it.on({ kind: 'read', lease: it.lease({ holder: '', journal }) });
  t.is(it.writing().content.journal, journal);
  it.succeed();
  t.deepEqual(it.effect('takeOver')?.journal, { entries: [entry('a')], complete: true });
  it.later(2_000).tick();
  t.is(it.writing().content.journal, journal);
  const renewed = it.written();
  it.on({ kind: 'end', entries: [entry('a')] });
  it.on({ kind: 'tookOver', term: 1 });
  t.deepEqual(it.on({ kind: 'written', lease: renewed }), ['write']);
  t.false(it.leads());
  t.is(it.writing().content.journal, EMPTY);
  it.succeed();
  t.true(it.leads());
});

test('step() ignores the end of a take-over of an earlier term', (t) => {
  const it = bench();
  it.tick();
  it.on({ kind: 'read', lease: it.lease({ holder: '' }) });
  it.succeed();
  t.is(it.state().term, 1);
  it.later(7_000).tick();
  t.is(it.state().role, 'standby');
  it.succeed();
  t.is(it.state().term, 2);
  t.deepEqual(it.on({ kind: 'tookOver', term: 1 }), []);
  t.deepEqual(it.on({ kind: 'tookOver', term: 2 }), ['write']);
});

test('step() lets others try when it cannot take over', (t) => {
  const it = bench();
  it.tick();
  it.on({ kind: 'read', lease: it.lease({ holder: '' }) });
  it.succeed();
  let done: string[] = [];
  for (let attempt = 1; attempt <= TAKE_OVER_TRIES; attempt++) {
    done = it.on({ kind: 'takeOverFailed', term: 1, problem: 'list failed' });
    if (attempt === TAKE_OVER_TRIES) break;
    t.deepEqual(done, []);
    // Renewals go on meanwhile.
    for (let waits = 0; waits < 3 && !done.includes('takeOver'); waits++) {
      done = it.later(it.wakeInMs()).tick();
      if (done.includes('write')) done = [...done, ...it.succeed()];
    }
    t.true(done.includes('takeOver'));
  }
  t.deepEqual(done, ['write']);
  t.is(it.writing().content.holder, '');
  it.succeed();
  t.is(it.state().role, 'standby');
  it.later(2_000).tick();
  t.deepEqual(it.on({ kind: 'read', lease: it.state().lease }), []);
  it.later(20_000);
  t.deepEqual(it.tick(), ['write']);
});

test('step() releases the Lease when it is stopped, with what is still under way', (t) => {
  const it = bench().lead();
  it.begin(entry('a'));
  it.succeed();
  t.deepEqual(it.on({ kind: 'stop' }), ['write']);
  t.false(it.leads());
  t.like(it.writing().content, { holder: '', durationMs: 1_000 });
  t.is(decodeJournal(it.writing().content.journal).entries.length, 1);
  t.deepEqual(it.succeed(), ['stopped']);
  t.deepEqual(it.tick(), []);
  t.deepEqual(it.begin(entry('b')), ['notBegun']);
});

test('step() gives up to release after a while, and at once where it holds nothing', (t) => {
  const it = bench().lead();
  it.on({ kind: 'stop' });
  it.on({ kind: 'writeUnknown', problem: 'timeout' });
  t.deepEqual(it.on({ kind: 'readFailed', problem: 'timeout' }), []);
  t.deepEqual(it.later(RELEASE_PATIENCE_MS).tick(), ['stopped']);
  const standby = bench();
  standby.tick();
  t.deepEqual(standby.on({ kind: 'stop' }), ['stopped']);
});

test('step() releases a Lease that becomes its own while it is stopped', (t) => {
  const it = bench();
  it.tick();
  it.on({ kind: 'read', lease: it.lease({ holder: '' }) });
  const acquired = it.written();
  t.deepEqual(it.on({ kind: 'stop' }), []);
  t.deepEqual(it.on({ kind: 'written', lease: acquired }), ['write']);
  t.is(it.writing().content.holder, '');
});

test('step() does not lead again by an answer that comes after the deadline', (t) => {
  const it = bench().lead();
  it.later(6_000).begin(entry('a'));
  it.later(1_000);
  t.false(it.leads());
  t.deepEqual(it.succeed(), ['notBegun', 'write']);
  t.false(it.leads());
  t.like(it.writing().content, { holder: 'me', transitions: 2 });
});
