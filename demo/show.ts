import { fileURLToPath } from 'node:url';
import type { Host } from '../lab/host.ts';
import { command, output } from './transcript.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Shows a command and runs it on a host, prints what it says, and throws when it fails. */
export async function show(host: Host, words: readonly string[]): Promise<string> {
  showCommand(host, words);
  const { code, stdout, stderr } = await host.finish(words);
  const said = stdout + (code === 0 ? '' : stderr);
  if (said.trim() !== '') output(said);
  if (code !== 0) throw new Error(`The command failed with ${code}`);
  return stdout;
}

/** Shows a command as the reader would type it in the project's folder. */
export function showCommand(host: Host, words: readonly string[], ending = ''): void {
  const shown = words.map((word) => (word === process.execPath ? 'node' : word.replace(ROOT, '')));
  command(host.name, shown, ending);
}

/** Runs a command on a host without showing it; throws with its stderr when it fails. */
export async function ask(host: Host, words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await host.finish(words);
  if (code !== 0) throw new Error(`"${words.join(' ')}" failed with ${code}: ${stderr.trim()}`);
  return stdout;
}
