import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Problem } from '../domain/problem.ts';
import type { RoleName } from '../domain/role.ts';
import type { Settings } from '../settings/settings.ts';
import type { Io } from './io.ts';

/** What the composition root does for the commands, so that these need not know the roles. */
export interface Actions {
  /** Runs the roles until a signal ends them; resolves to the exit code. */
  run(options: RunOptions): Promise<number>;
  /** What is wrong with the manifests in a folder, read offline. */
  checkManifests(folder: string): Promise<readonly Problem[]>;
  /** Takes the XDP program off. Rejects while a forwarder runs. */
  detach(settings: Settings): Promise<Detached>;
}

export interface RunOptions {
  readonly settings: Settings;
  readonly settingsFile: string;
  readonly roles: readonly RoleName[];
}

export interface Detached {
  readonly interfaces: readonly string[];
  /** There were maps to remove. */
  readonly maps: boolean;
}

/** One option of a command. */
export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** What stands for the value in the help. */
  readonly value?: string;
  readonly help: string;
}

/** What a command gets: its options and words, the terminal, and the actions. */
export interface Call {
  readonly io: Io;
  readonly actions: Actions;
  readonly hostname: string;
  readonly words: readonly string[];
  text(option: string): string | undefined;
  flag(option: string): boolean;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** Words after the name, as the help shows them. */
  readonly words: string;
  readonly options: Readonly<Record<string, Option>>;
  readonly details: string;
  execute(call: Call): Promise<number>;
}

/** The command line asks for what there is not; the message says what there is. */
export class UsageError extends Error {}

/** Reads the arguments after the command's name. Throws `UsageError`. */
export function parseCall(
  command: Command,
  args: readonly string[],
  context: Pick<Call, 'io' | 'actions' | 'hostname'>,
): Call {
  const config = {
    args: [...args],
    options: Object.fromEntries(
      Object.entries(command.options).map(([name, { type, short }]) => [
        name,
        short === undefined ? { type } : { type, short },
      ]),
    ),
    allowPositionals: true,
    strict: true,
  } satisfies ParseArgsConfig;
  try {
    const { values, positionals } = parseArgs(config);
    return {
      ...context,
      words: positionals,
      text: (option) => (typeof values[option] === 'string' ? values[option] : undefined),
      flag: (option) => values[option] === true,
    };
  } catch (error) {
    throw new UsageError((error as Error).message.split('. To specify')[0]);
  }
}
