import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Marks every process that a test starts, however indirectly: the environment is inherited. */
export const RUN_VARIABLE = 'TIDEGATE_TEST_RUN';

/** Where tests make things that outlive a process: namespaces, pins, folders, interfaces. */
const PLACES = ['/run/netns', '/sys/fs/bpf', '/run', '/tmp', '/sys/class/net'];

/** Paths of this run's kind that exist now, to be compared with later. */
export function existingThings(): ReadonlySet<string> {
  const paths = PLACES.flatMap((place) =>
    listDirectory(place)
      .filter((name) => /^(tg|tidegate)-/.test(name))
      .map((name) => `${place}/${name}`),
  );
  return new Set(paths);
}

/**
 * What a run left behind: things that were not there before and whose owner (the process id in the
 * name, `tg-<pid>-…`) is gone, and processes that carry the run's mark.
 */
export function findLeftovers(before: ReadonlySet<string>, run: string): string[] {
  const things = [...existingThings()].filter((path) => !before.has(path) && !ownerLives(path));
  return [...things, ...markedProcesses(run)];
}

function ownerLives(path: string): boolean {
  const pid = /\/tg-(\d+)/.exec(path)?.[1];
  return pid !== undefined && existsSync(`/proc/${pid}`);
}

function markedProcesses(run: string): string[] {
  const mark = `${RUN_VARIABLE}=${run}`;
  return listDirectory('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => readProcess(pid, 'environ').split('\0').includes(mark))
    .map((pid) => `process ${pid}: ${readProcess(pid, 'cmdline').replaceAll('\0', ' ').trim()}`);
}

/** Empty for a process that has just ended. */
function readProcess(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

function listDirectory(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}
