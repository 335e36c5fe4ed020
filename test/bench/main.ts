/**
 * `npm run bench`: what Tidegate costs, beside what people use today, as ratios taken in one run.
 *
 *     npm run bench                              everything, in about twenty minutes
 *     npm run bench -- dataplane requests        only these groups
 *     npm run bench -- --quick                   less of everything
 *     npm run bench -- --runs 9 --out FILE       more rounds; every sample as JSON
 *
 * Medians, with the range over the rounds. Nothing else should run on the machine meanwhile.
 */
import { writeFileSync } from 'node:fs';
import { type BenchArguments, readArguments } from './arguments.ts';
import { missing, remedy } from './debian.ts';
import type { BenchGroup, Row } from './group.ts';
import { allocation } from './groups/allocation.ts';
import { bgp } from './groups/bgp.ts';
import { capacity } from './groups/capacity.ts';
import { control } from './groups/control.ts';
import { dataplane } from './groups/dataplane.ts';
import { health } from './groups/health.ts';
import { kubernetes } from './groups/kubernetes.ts';
import { requests } from './groups/requests.ts';
import { describeMachine, type Machine } from './machine.ts';
import { reportOf } from './report.ts';
import { ratiosOf, summarise } from './statistics.ts';

const GROUPS: readonly BenchGroup[] = [
  dataplane,
  capacity,
  requests,
  control,
  bgp,
  health,
  allocation,
  kubernetes,
];
const BUSY_LOAD = 0.5;
const CLEAR_LINE = '\r\x1b[K';

const options = readOptions();
if (process.getuid?.() !== 0) fail('Run it as root: it makes namespaces and loads BPF programs');
const machine = describeMachine();
console.log(headline(machine));
const results: Record<string, readonly Row[]> = {};
for (const group of GROUPS) if (options.groups.includes(group.name)) await measure(group);
if (options.out !== undefined) writeFileSync(options.out, toJson(machine, results));
// Libraries may hold timers; everything that was started has been ended.
process.exit();

function readOptions(): BenchArguments {
  try {
    return readArguments(
      process.argv.slice(2),
      GROUPS.map(({ name }) => name),
    );
  } catch (error) {
    return fail((error as Error).message);
  }
}

async function measure(group: BenchGroup): Promise<void> {
  console.log(`\n${group.name}: ${group.describe}\n`);
  const lacking = missing(group.needs);
  if (lacking.length > 0) {
    const names = lacking.map(({ has }) => has).join(' and ');
    console.log(`  NOT MEASURED: ${names} is missing; ${remedy(lacking)}`);
    process.exitCode = 1;
    return;
  }
  const startedMs = performance.now();
  try {
    const rows = await group.run({ ...options, progress });
    results[group.name] = rows;
    progress('');
    console.log(reportOf(rows));
  } catch (error) {
    progress('');
    console.log(`  NOT MEASURED: ${(error as Error).stack}`);
    process.exitCode = 1;
  }
  console.log(`  (${Math.round((performance.now() - startedMs) / 1000)} s)`);
}

/** One line that replaces itself, and only where somebody looks at it. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${CLEAR_LINE}${text}`);
}

function headline({ date, cpus, cpu, kernel, node, commit, load, peers }: Machine): string {
  const warning =
    load > BUSY_LOAD
      ? `\nThe machine is not idle (load ${load}): absolute figures are worse than they could be`
      : '';
  const versions = Object.values(peers).join(' · ');
  return `${date} · ${cpus} × ${cpu} · Linux ${kernel} · Node ${node} · ${commit}\n${versions}${warning}`;
}

function toJson(on: Machine, groups: Readonly<Record<string, readonly Row[]>>): string {
  const told = Object.entries(groups).map(([name, rows]) => {
    const ratios = ratiosOf(rows).map((ratio) => ({ ...ratio, ...summarise(ratio.samples) }));
    return [name, { rows: rows.map((row) => ({ ...row, ...summarise(row.samples) })), ratios }];
  });
  const { rounds, quick } = options;
  const document = { machine: on, rounds, quick, groups: Object.fromEntries(told) };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(2);
}
