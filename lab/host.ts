import { type ChildProcess, spawn } from 'node:child_process';
import { run, SYSTEM_ENVIRONMENT } from './command.ts';
import { type Finished, finished } from './finished.ts';
import { type LabProcess, startProcess } from './process.ts';

/** A host of the lab: a network namespace of its own on the machine's file system. */
export interface Host {
  readonly name: string;
  /** Name of the namespace, as `ip netns` shows it. */
  readonly netns: string;
  /** Runs lines of the `ip` command (`addr add …`), all in one go. */
  ip(...lines: readonly string[]): void;
  /** Sets kernel settings below `net`, `{'ipv4/ip_forward': 1}`. */
  sysctl(settings: Readonly<Record<string, number>>): void;
  /** Runs a program to its end and returns its stdout; throws when it fails. Blocks. */
  run(command: readonly string[], input?: string): string;
  /** Runs a program to its end without blocking; never rejects because of an exit code. */
  finish(command: readonly string[]): Promise<Finished>;
  /** Starts a program in the background; `env` is added to this process's environment. */
  start(command: readonly string[], env?: NodeJS.ProcessEnv): LabProcess;
}

/** Forwards packets of both families, or is an end host. */
export type HostKind = 'end' | 'forwards';

/**
 * Makes the namespace. No duplicate address detection (the lab's addresses are unique, and it costs
 * a second) and no reverse path filter (a box at the edge sees one-sided traffic).
 */
export function createHost(options: {
  readonly name: string;
  readonly netns: string;
  readonly kind: HostKind;
  /** Folder for the logs of its programs. */
  readonly directory: string;
  /** Called with every process that is started on it. */
  readonly onStart: (child: ChildProcess) => void;
}): Host {
  const { name, netns, directory, onStart } = options;
  run('ip', ['netns', 'add', netns]);
  const inside = (command: readonly string[]) => [`--net=/run/netns/${netns}`, '--', ...command];
  configure(options);

  let started = 0;
  return {
    name,
    netns,
    ip: (...commands) => {
      run('nsenter', inside(['ip', '-batch', '-']), `${commands.join('\n')}\n`);
    },
    sysctl: (settings) => set(netns, settings),
    run: (command, input) => run('nsenter', inside(command), input),
    finish: (command) => finish(inside(command), onStart),
    start: (command, env = {}) => {
      started += 1;
      const log = `${directory}/${name}-${started}.log`;
      return startProcess(inside(command), { log, env: { ...process.env, ...env }, onStart });
    },
  };
}

function configure({ netns, kind }: { readonly netns: string; readonly kind: HostKind }): void {
  const forwarding = kind === 'forwards' ? 1 : 0;
  const settings: Record<string, number> = {
    'ipv4/ip_forward': forwarding,
    'ipv6/conf/all/forwarding': forwarding,
    'ipv4/conf/all/rp_filter': 0,
    'ipv4/conf/default/rp_filter': 0,
    'ipv6/conf/all/accept_dad': 0,
    'ipv6/conf/default/accept_dad': 0,
    'ipv6/conf/default/accept_ra': 0,
  };
  set(netns, settings);
  run('nsenter', [`--net=/run/netns/${netns}`, '--', 'ip', 'link', 'set', 'lo', 'up']);
}

function set(netns: string, settings: Readonly<Record<string, number>>): void {
  const lines = Object.entries(settings).map(
    ([key, value]) => `echo ${value} >/proc/sys/net/${key}`,
  );
  run('nsenter', [`--net=/run/netns/${netns}`, '--', 'sh', '-e'], lines.join('\n'));
}

function finish(
  args: readonly string[],
  onStart: (child: ChildProcess) => void,
): Promise<Finished> {
  const child = spawn('nsenter', args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: SYSTEM_ENVIRONMENT,
  });
  onStart(child);
  return finished(child);
}
