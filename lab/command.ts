import { type SpawnSyncReturns, spawnSync } from 'node:child_process';

/**
 * Debian's own folders only: `node_modules/.bin`, which npm puts on PATH, holds an `nft` that is
 * another program.
 */
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The environment for the machine's own programs (`ip`, `nft`, `ethtool`, …). */
export const SYSTEM_ENVIRONMENT: NodeJS.ProcessEnv = { ...process.env, PATH: SYSTEM_PATH };

/** Runs a program to its end and returns its output; throws with what it said when it fails. */
export function run(command: string, args: readonly string[], input = ''): string {
  const result = spawnSync(command, args, {
    input,
    encoding: 'utf8',
    env: SYSTEM_ENVIRONMENT,
  });
  if (result.error) throw result.error;
  if (result.status !== 0) throw new Error(describeFailure(command, args, result));
  return result.stdout;
}

function describeFailure(
  command: string,
  args: readonly string[],
  result: SpawnSyncReturns<string>,
): string {
  const how = result.signal ?? `exit code ${result.status}`;
  return `"${[command, ...args].join(' ')}" failed (${how}): ${result.stderr.trim()}`;
}
