import { mkdirSync, writeFileSync } from 'node:fs';
import type { Host } from '../host.ts';
import type { Lab } from '../lab.ts';
import { birdConfig, birdNames } from './bird-config.ts';
import { birdBfdSessions, birdRestarting, birdRoutes, birdSessions } from './bird-output.ts';
import { askSocket, untilListening } from './control-socket.ts';
import { exitText } from './exit-text.ts';
import type { Router, RouterOptions } from './router.ts';

/** Starts BIRD 2 on a host, and waits until it answers. */
export async function startBird(lab: Lab, host: Host, options: RouterOptions): Promise<Router> {
  const directory = `${lab.directory}/bird-${host.name}`;
  const config = `${directory}/bird.conf`;
  const control = `${directory}/bird.ctl`;
  let current = options;
  mkdirSync(directory, { recursive: true });
  writeFileSync(config, birdConfig(options));
  const program = host.start(['bird', '-f', '-c', config, '-s', control]);
  const ended = exitText(program);
  const ask = (command: string) => askSocket(control, `${command}\n`, answerOf);
  await untilListening(() => ask('show status'), ended);
  const names = () => birdNames(current);
  const sessions = async () => birdSessions(await ask('show protocols all'), names());
  return {
    kind: 'bird',
    host,
    pid: () => program.pid,
    ask,
    async routes() {
      const [table, all] = await Promise.all([ask('show route all'), sessions()]);
      return birdRoutes(table, names(), birdRestarting(all));
    },
    sessions,
    bfdSessions: async () =>
      current.neighbours.some(({ bfd }) => bfd)
        ? birdBfdSessions(await ask('show bfd sessions'))
        : [],
    async configure(next) {
      writeFileSync(config, birdConfig(next));
      const answer = await ask('configure');
      if (!/Reconfig/.test(answer)) throw new Error(`BIRD refuses its configuration: ${answer}`);
      current = next;
    },
    refresh: async (neighbour) => {
      await ask(`reload in ${names().get(neighbour)}`);
    },
    pause: () => void process.kill(program.pid, 'SIGSTOP'),
    resume: () => void process.kill(program.pid, 'SIGCONT'),
    stop: async () => void (await program.stop()),
    kill: async () => void (await program.stop('SIGKILL')),
    log: program.output,
  };
}

/**
 * The text of an answer without its codes, once its last line is there: `0013 …`, a code and a blank.
 * The greeting (`0001`) comes before it.
 */
function answerOf(text: string): string | undefined {
  const lines = text.split('\n');
  const last = lines.findIndex((line) => /^(?!0001)\d{4} /.test(line));
  if (last === -1 || last === lines.length - 1) return undefined;
  return lines
    .slice(1, last + 1)
    .map((line) => line.replace(/^\d{4}[- ]|^ /, ''))
    .join('\n');
}
