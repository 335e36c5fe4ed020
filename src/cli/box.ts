import { existsSync } from 'node:fs';
import { formatProblem, type Problem } from '../domain/problem.ts';
import type { Settings } from '../settings/settings.ts';
import { findInstances } from './admin-client.ts';
import type { Call } from './command.ts';

/** As in `settings/load.ts`, which is only loaded where a file is read. */
const DEFAULT_SETTINGS_FILE = '/etc/tidegate/tidegate.yaml';
const DEFAULT_RUN_DIR = '/run/tidegate';

export function settingsFileOf(call: Call): string {
  return call.text('config') ?? DEFAULT_SETTINGS_FILE;
}

/** The settings, or their problems. */
export async function readSettings(
  call: Call,
): Promise<
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly problems: readonly Problem[] }
> {
  const { loadSettings } = await import('../settings/load.ts');
  return loadSettings(settingsFileOf(call), { hostname: call.hostname });
}

/** Where the sockets are: `--run-dir`, else what the settings file says, else the default. */
async function runDirOf(call: Call): Promise<string> {
  const wanted = call.text('run-dir');
  if (wanted !== undefined) return wanted;
  if (call.text('config') === undefined && !existsSync(DEFAULT_SETTINGS_FILE)) {
    return DEFAULT_RUN_DIR;
  }
  const read = await readSettings(call);
  if (read.ok) return read.settings.runDir;
  call.io.err(`${read.problems.map(formatProblem).join('\n')}\nLooking in ${DEFAULT_RUN_DIR}.\n`);
  return DEFAULT_RUN_DIR;
}

/** Processes to ask. Without any, says so and gives `undefined`. */
export async function reachBox(
  call: Call,
): Promise<{ readonly runDir: string; readonly instances: readonly string[] } | undefined> {
  const runDir = await runDirOf(call);
  try {
    const instances = await findInstances(runDir);
    if (instances.length > 0) return { runDir, instances };
    call.io.err(
      `No Tidegate has a socket in ${runDir}/admin. ` +
        'Start one with "systemctl start tidegate.target", or name its folder with --run-dir\n',
    );
  } catch (error) {
    call.io.err(
      `The sockets in ${runDir}/admin cannot be listed: ${(error as Error).message}. ` +
        'Run this as root, or as a member of the group tidegate\n',
    );
  }
  return undefined;
}
