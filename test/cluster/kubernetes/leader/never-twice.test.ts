import test from 'ava';
import fc from 'fast-check';
import { WHOLE } from './simulated-process.ts';
import { type Command, MAX_WHAT, MAX_WHICH, runSchedule } from './simulated-world.ts';

const schedule = fc.array(fc.tuple(fc.nat(MAX_WHAT), fc.nat(MAX_WHICH)), {
  minLength: 5,
  maxLength: 60,
});

const RUNS = Number(process.env['SCHEDULES'] ?? 1_000);
const SEED = Number(process.env['SEED'] ?? 20_261_121);

test('never the same address twice, whatever happens to controllers and requests', async (t) => {
  await fc.assert(
    fc.asyncProperty(schedule, async (commands: readonly Command[]) => {
      await runSchedule(commands, WHOLE);
    }),
    { numRuns: RUNS, seed: SEED },
  );
  t.pass();
});
