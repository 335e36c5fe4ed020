import { atExit } from '../at-exit.ts';
import type { Host } from '../host.ts';
import { type LabProcess, startProcess } from '../process.ts';

/** Starts a program in the background; its output goes to the file `log`. */
export type Launch = (command: readonly string[], log: string) => LabProcess;

/**
 * Starts programs on a host of the lab, or on the machine itself. The kernel kills each of them when
 * this process ends, however that comes about.
 */
export function createLauncher(host: Host | undefined): Launch {
  const network = host ? [`--net=/run/netns/${host.netns}`] : [];
  return (command, log) => {
    const args = [...network, '--', 'setpriv', '--pdeathsig', 'KILL', ...command];
    return startProcess(args, {
      log,
      env: process.env,
      onStart: (child) => {
        const forget = atExit(() => child.kill('SIGKILL'));
        child.once('exit', forget);
      },
    });
  };
}

/** Ends a program: asks it, and kills it when it does not listen. */
export async function end(program: LabProcess, graceMs: number): Promise<void> {
  const timer = setTimeout(() => program.stop('SIGKILL'), graceMs);
  await program.stop('SIGTERM');
  clearTimeout(timer);
}

/** The last of what a program said, for messages about its failure. */
export function lastWords(program: LabProcess, lines = 20): string {
  return program.output().trimEnd().split('\n').slice(-lines).join('\n');
}
