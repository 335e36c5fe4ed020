/** What one test file came to. */
export interface FileResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Each failure: its title, then what TAP says of it. */
  readonly failures: readonly Failure[];
}

export interface Failure {
  readonly title: string;
  readonly details: readonly string[];
}

/**
 * Reads the TAP of one run of ava over one file. Tests that never came to an end (a crash, a time-out)
 * appear only in the summary's `# fail`, and in nothing at all when ava itself ended early; both
 * count as failed, so that a file can not look better than it is.
 */
export function readTap(text: string, exitCode: number | null): FileResult {
  let passed = 0;
  let skipped = 0;
  let failedInSummary = 0;
  let finished = false;
  const failures: { title: string; details: string[] }[] = [];
  let inDetails = false;
  for (const line of text.split('\n')) {
    const point = /^(not )?ok \d+ - (.*?)( # SKIP)?$/.exec(line);
    if (point) {
      if (point[1]) failures.push({ title: point[2] ?? '', details: [] });
      else if (point[3]) skipped += 1;
      else passed += 1;
    } else if (line === '  ---' || line === '  ...') {
      inDetails = line === '  ---';
    } else if (inDetails) {
      failures.at(-1)?.details.push(line.replace(/^ {4}/, ''));
    } else if (/^1\.\.\d+$/.test(line)) {
      finished = true;
    } else {
      failedInSummary += Number(/^# fail (\d+)$/.exec(line)?.[1] ?? 0);
    }
  }
  if (!finished) failures.push(failure('ava ended before the file did (time-out or process.exit)'));
  const unfinished = failedInSummary - failures.length;
  if (unfinished > 0) failures.push(failure(`${unfinished} of its tests did not come to an end`));
  if (exitCode !== 0 && failures.length === 0) failures.push(failure(`ava ended with ${exitCode}`));
  if (passed + skipped + failures.length === 0) failures.push(failure('it has no tests'));
  const failed = Math.max(failures.length, failedInSummary);
  return { passed, failed, skipped, failures };
}

function failure(title: string): { title: string; details: string[] } {
  return { title, details: [] };
}
