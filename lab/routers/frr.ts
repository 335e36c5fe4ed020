import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { run } from '../command.ts';
import type { Host } from '../host.ts';
import type { Lab } from '../lab.ts';
import type { LabProcess } from '../process.ts';
import { askSocket, untilListening } from './control-socket.ts';
import { exitText } from './exit-text.ts';
import { bgpdConfig } from './frr-config.ts';
import { frrBfdSessions, frrRoutes, frrSessions } from './frr-output.ts';
import type { Router, RouterOptions } from './router.ts';

const PROGRAMS = '/usr/lib/frr';
type Daemon = 'zebra' | 'bgpd' | 'bfdd';

/**
 * Starts FRR's zebra, bgpd and bfdd on a host with every socket and file in a folder of its own, so
 * that several run side by side and beside the machine's. As user `frr`: it refuses to be root.
 */
export async function startFrr(lab: Lab, host: Host, options: RouterOptions): Promise<Router> {
  const directory = prepareDirectory(lab, host);
  let asn = options.asn;
  const programs = new Map<Daemon, LabProcess>();
  const start = async (daemon: Daemon) => {
    const program = host.start(commandOf(daemon, directory));
    programs.set(daemon, program);
    await untilListening(() => shell(directory, daemon, ['show version']), exitText(program));
  };
  // The others wait ten seconds before they look for a zebra that was not there.
  await start('zebra');
  await Promise.all([start('bgpd'), start('bfdd')]);
  const bgpd = programs.get('bgpd') as LabProcess;
  const ask = (command: string) => shell(directory, daemonOf(command), command.split('\n'));
  const configure = async (next: RouterOptions, remove: readonly string[]) => {
    asn = next.asn;
    const lines = ['configure terminal', ...remove, ...bgpdConfig(next), 'end'];
    await shell(directory, 'bgpd', lines);
  };
  await configure(options, []);
  const signal = (name: NodeJS.Signals) => void process.kill(bgpd.pid, name);
  const end = async (name: NodeJS.Signals) => {
    await bgpd.stop(name);
    await Promise.all([...programs.values()].map((program) => program.stop(name)));
  };
  return {
    kind: 'frr',
    host,
    pid: () => bgpd.pid,
    ask,
    async routes() {
      const tables = await Promise.all(
        ['ipv4', 'ipv6'].map((family) => ask(`show bgp ${family} unicast json detail`)),
      );
      return tables.flatMap(frrRoutes);
    },
    sessions: async () => frrSessions(await ask('show bgp neighbors json'), bgpd.output()),
    bfdSessions: async () => frrBfdSessions(await ask('show bfd peers json')),
    configure: (next) => configure(next, [`no router bgp ${asn}`]),
    refresh: async (neighbour) => {
      await ask(`clear bgp ${neighbour} in`);
    },
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    log: () => [...programs].map(([name, program]) => `${name}: ${program.output()}`).join('\n'),
  };
}

function prepareDirectory(lab: Lab, host: Host): string {
  const directory = `${lab.directory}/frr-${host.name}`;
  const [user, group] = ['-u', '-g'].map((flag) => Number(run('id', [flag, 'frr'])));
  mkdirSync(directory, { recursive: true });
  chownSync(directory, user as number, group as number);
  chmodSync(directory, 0o755);
  writeFileSync(`${directory}/empty.conf`, '');
  return directory;
}

function commandOf(daemon: Daemon, directory: string): readonly string[] {
  return [
    `${PROGRAMS}/${daemon}`,
    ...['--vty_socket', directory, '-z', `${directory}/zserv.api`, '-P', '0'],
    ...['-u', 'frr', '-g', 'frr', '-i', `${directory}/${daemon}.pid`],
    ...['-f', `${directory}/empty.conf`, '--log', 'stdout'],
    ...(daemon === 'bfdd' ? ['--bfdctl', `${directory}/bfdd.sock`] : []),
  ];
}

/** Who answers a command, or takes the lines of a configuration, as vtysh would find out. */
function daemonOf(command: string): Daemon {
  return /^(show|configure terminal\n) ?bfd\b/.test(command) ? 'bfdd' : 'bgpd';
}

/** Three zero octets and the status end an answer: 0 is success, 1 a warning. */
const END = '\0\0\0';
const MAX_STATUS = 1;

/** Speaks what vtysh speaks to a daemon; the answer is that to the last line. */
async function shell(directory: string, daemon: Daemon, lines: readonly string[]): Promise<string> {
  const all = ['enable', ...lines];
  const request = all.map((line) => `${line}\0`).join('');
  const text = await askSocket(`${directory}/${daemon}.vty`, request, (came) =>
    answersIn(came).length < all.length ? undefined : came,
  );
  const answers = answersIn(text);
  for (const [index, { status, answer }] of answers.entries()) {
    if (status > MAX_STATUS) throw new Error(`${daemon} refuses "${all[index]}": ${answer.trim()}`);
  }
  return answers.at(-1)?.answer ?? '';
}

function answersIn(text: string): readonly { readonly answer: string; readonly status: number }[] {
  const answers = [];
  let from = 0;
  for (;;) {
    const end = text.indexOf(END, from);
    if (end === -1 || end + END.length >= text.length) return answers;
    answers.push({ answer: text.slice(from, end), status: text.charCodeAt(end + END.length) });
    from = end + END.length + 1;
  }
}
