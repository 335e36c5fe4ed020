import type { Command, Option } from './command.ts';

const EXIT_CODES = `Ends with 0 when all is well, 1 when a problem was found, 2 when the command line is
wrong, 3 when no Tidegate answers, 70 on a fault of Tidegate itself.
`;

/** Help of the whole program. */
export function programHelp(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `tidegate: edge load balancer for bare-metal Kubernetes

Usage: tidegate COMMAND [OPTIONS]

${lines.join('\n')}

"tidegate COMMAND --help" tells of one command, "tidegate --version" the version.
${EXIT_CODES}`;
}

/** Help of one command. */
export function commandHelp(command: Command): string {
  const { name, words, summary, details, options } = command;
  const rows = Object.entries(options).map(([option, spec]) => [nameOf(option, spec), spec.help]);
  rows.push(['--help', 'this text']);
  const width = Math.max(...rows.map(([left = '']) => left.length));
  const lines = rows.map(([left = '', right]) => `  ${left.padEnd(width)}  ${right}`);
  return `${[
    `tidegate ${name}: ${summary}`,
    '',
    `Usage: tidegate ${[name, words, '[OPTIONS]'].filter(Boolean).join(' ')}`,
    '',
    ...lines,
    ...(details === '' ? [] : ['', details]),
  ].join('\n')}\n`;
}

function nameOf(name: string, { short, value }: Option): string {
  const letter = short === undefined ? '' : `-${short}, `;
  return `${letter}--${name}${value === undefined ? '' : ` ${value}`}`;
}
