/**
 * `npm test`: types, lint, every test file, and a look at what the tests left behind. One line a file,
 * the whole of each failure, and at the end `N passed, N failed` (`, N skipped`).
 *
 * `npm test -- maglev lab/` runs only the files whose path contains one of the words.
 *
 * Files in `test/kubernetes` and `test/lab/kubernetes` need a real API server, see
 * `scripts/kubernetes-assets`.
 *
 * Each file gets an ava of its own: in a common run one file that hangs or exits takes the results of
 * the others with it.
 */
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { finish } from './finish.ts';
import { countTests, describeNotRun, needsKubernetes, prepareKubernetes } from './kubernetes.ts';
import { existingThings, findLeftovers, RUN_VARIABLE } from './leftovers.ts';
import { type FileResult, readTap } from './tap.ts';

/** Processes that were told to end may need a moment. */
const LEFTOVERS_WAIT_MS = 2000;
const STDERR_LINES_SHOWN = 40;
/** These take half a minute or more, and begin first: at the end one of them would run alone. */
const LONG = ['source-faults', 'appliance', 'outages', 'failover', 'policy', 'bfd-hold'];

const run = `${process.pid}`;
// What the tests start inherits it.
process.env[RUN_VARIABLE] = run;
// Hundreds of processes load the same modules: what one has compiled the others take from here.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(
  new URL('../../node_modules/.cache/compile', import.meta.url),
);
const total = { passed: 0, failed: 0, skipped: 0 };

function report(name: string, result: FileResult, seconds: number, noise = ''): void {
  total.passed += result.passed;
  total.failed += result.failed;
  total.skipped += result.skipped;
  const { passed, failed, skipped, failures } = result;
  const parts = [
    `${passed} passed`,
    failed > 0 ? `${failed} failed` : '',
    skipped > 0 ? `${skipped} skipped` : '',
  ];
  const counts = parts.filter(Boolean).join(', ');
  console.log(`${failed > 0 ? '✘' : '✔'} ${name}  ${counts}  ${seconds.toFixed(1)} s`);
  for (const { title, details } of failures) {
    console.log(`    ✘ ${title}`);
    for (const line of details) console.log(`        ${line}`);
  }
  if (failed > 0 && noise !== '') {
    const lines = noise.trimEnd().split('\n').slice(-STDERR_LINES_SHOWN);
    console.log(lines.map((line) => `    | ${line}`).join('\n'));
  }
}

/** A command that is one check: it passes or it fails. */
async function check(name: string, command: string, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr, seconds } = await finish(command, args);
  const failures = code === 0 ? [] : [{ title: `${command} says`, details: [] }];
  const result = { passed: 1 - failures.length, failed: failures.length, skipped: 0, failures };
  report(name, result, seconds, stdout + stderr);
}

async function testFiles(
  files: readonly string[],
  lanes: number,
  env: NodeJS.ProcessEnv = {},
): Promise<void> {
  const isLong = (file: string) => LONG.some((name) => file.endsWith(`/${name}.test.ts`));
  const queue = [...files.filter(isLong), ...files.filter((file) => !isLong(file))];
  const work = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const { code, stdout, stderr, seconds } = await finish('ava', ['--tap', file], env);
      report(file, readTap(stdout, code), seconds, stderr);
    }
  };
  await Promise.all(Array.from({ length: lanes }, work));
}

/**
 * After the others and beside nothing but one another: each file has an API server of its own, which
 * takes a core while it starts; later it mostly waits, so there is a lane more than there are cores. Without the programs they are skipped, which is said at the end; where
 * nobody reads that (`CI=true`) it is a failure.
 */
async function kubernetesFiles(files: readonly string[]): Promise<string> {
  if (files.length === 0) return '';
  const start = performance.now();
  const kubernetes = await prepareKubernetes();
  if ('env' in kubernetes) {
    await testFiles(files, availableParallelism() + 1, kubernetes.env);
    return '';
  }
  const { missing } = kubernetes;
  const isFailure = process.env['CI'] === 'true';
  report(
    'programs of a Kubernetes control plane',
    {
      passed: 0,
      failed: isFailure ? 1 : 0,
      skipped: files.map(countTests).reduce((sum, count) => sum + count, 0),
      failures: isFailure ? [{ title: missing, details: [] }] : [],
    },
    (performance.now() - start) / 1000,
  );
  return describeNotRun(files, missing);
}

async function checkLeftovers(before: ReadonlySet<string>): Promise<void> {
  const start = performance.now();
  let leftovers = findLeftovers(before, run);
  while (leftovers.length > 0 && performance.now() - start < LEFTOVERS_WAIT_MS) {
    await sleep(100);
    leftovers = findLeftovers(before, run);
  }
  const failures = leftovers.map((title) => ({ title, details: [] }));
  const failed = failures.length > 0 ? 1 : 0;
  const seconds = (performance.now() - start) / 1000;
  report('nothing left behind', { passed: 1 - failed, failed, skipped: 0, failures }, seconds);
}

const words = process.argv.slice(2);
const files = globSync('test/**/*.test.ts')
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .sort();
if (files.length === 0) {
  console.error(`No test file has ${words.join(' or ')} in its path`);
  process.exit(2);
}
const before = existingThings();
await Promise.all([
  check('types', 'tsc', ['--project', '.']),
  check('lint', 'biome', ['check', '--error-on-warnings', '.']),
]);
await testFiles(
  files.filter((file) => !needsKubernetes(file)),
  availableParallelism(),
);
const notRun = await kubernetesFiles(files.filter(needsKubernetes));
await checkLeftovers(before);
if (notRun !== '') console.log(notRun);
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 ? 1 : 0;
