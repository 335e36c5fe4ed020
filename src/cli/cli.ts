import { type Actions, type Command, parseCall, UsageError } from './command.ts';
import { COMMANDS } from './commands.ts';
import { EXIT } from './exit-code.ts';
import { commandHelp, programHelp } from './help.ts';
import type { Io } from './io.ts';

export interface CliOptions {
  readonly io: Io;
  readonly actions: Actions;
  readonly version: string;
  readonly hostname: string;
}

/**
 * Runs one command line (without interpreter and script). Resolves to the exit code; never rejects:
 * whatever goes wrong is one sentence on standard error.
 */
export async function runCli(args: readonly string[], options: CliOptions): Promise<number> {
  const { io, version } = options;
  const [name, ...rest] = args;
  if (name === '--version' || name === '-V') {
    io.out(`tidegate ${version}\n`);
    return EXIT.ok;
  }
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    return help(rest[0], name === undefined, io);
  }
  const command = COMMANDS.find((known) => known.name === name);
  if (!command) return refuse(io, `"${name}" is not a command`, 'tidegate --help');
  if (rest.includes('--help') || rest.includes('-h')) {
    io.out(commandHelp(command));
    return EXIT.ok;
  }
  return execute(command, rest, options);
}

async function execute(
  command: Command,
  args: readonly string[],
  { io, actions, hostname }: CliOptions,
): Promise<number> {
  try {
    return await command.execute(parseCall(command, args, { io, actions, hostname }));
  } catch (error) {
    if (error instanceof UsageError) {
      return refuse(io, error.message, `tidegate ${command.name} --help`);
    }
    const { message, code } = error as NodeJS.ErrnoException;
    io.err(`tidegate ${command.name} failed: ${message}\n`);
    // An error with a code is the world's (a lock, a permission); one without is ours.
    if (code === undefined) io.err(`${(error as Error).stack}\n`);
    return code === undefined ? EXIT.fault : EXIT.problem;
  }
}

function help(topic: string | undefined, isMistake: boolean, io: Io): number {
  const command = COMMANDS.find(({ name }) => name === topic);
  const text = command ? commandHelp(command) : programHelp(COMMANDS);
  if (isMistake) io.err(text);
  else io.out(text);
  return isMistake ? EXIT.usage : EXIT.ok;
}

function refuse(io: Io, message: string, remedy: string): number {
  io.err(`${message}. See "${remedy}"\n`);
  return EXIT.usage;
}
