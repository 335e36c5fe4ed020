import test from 'ava';
import fc from 'fast-check';
import { type Protocol, WHOLE } from './simulated-process.ts';
import { type Command, MAX_WHAT, MAX_WHICH, runSchedule } from './simulated-world.ts';

/**
 * Two or three controllers (the real election, journal, writer, loop and allocator) on a simulated API
 * server, network, clock and people. `SCHEDULES=100000 SEED=7 ava …` looks further.
 */
const schedule = fc.array(fc.tuple(fc.nat(MAX_WHAT), fc.nat(MAX_WHICH)), {
  minLength: 5,
  maxLength: 60,
});
const SCHEDULES = Number(process.env['SCHEDULES'] ?? 1_000);
const SEED = Number(process.env['SEED'] ?? 20_261_121);
/** So many are enough to find what is wrong without a part of the protocol. */
const ENOUGH = 20_000;

const runs = (protocol: Protocol) =>
  fc.asyncProperty(schedule, (commands: readonly Command[]) => runSchedule(commands, protocol));

test('an address is never given twice, nor taken without a reason, and all comes to rest', async (t) => {
  await fc.assert(runs(WHOLE), { numRuns: SCHEDULES, seed: SEED });
  t.pass();
});

test('without the journal an address is given twice', async (t) => {
  const found = await fc.check(runs({ ...WHOLE, journal: false }), {
    ...{ numRuns: ENOUGH, seed: 3, endOnFailure: true },
  });
  t.regex(String(found.errorInstance), /was given to \S+ while \S+ had it/);
});

test('without fences an address is given twice', async (t) => {
  const found = await fc.check(runs({ ...WHOLE, fence: false }), {
    ...{ numRuns: ENOUGH, seed: 3, endOnFailure: true },
  });
  t.regex(String(found.errorInstance), /was given to \S+ while \S+ had it/);
});
