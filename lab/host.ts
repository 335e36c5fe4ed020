import { spawn } from 'node:child_process';
import { run, SYSTEM_ENVIRONMENT } from './command.ts';
import { type LabProcess, startProcess } from './process.ts';

/** What a program that ran to its end left behind. */
export interface Finished {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** A host of the lab: a network namespace of its own on the machine's file system. */
export interface Host {
  readonly name: string;
  /** Name of the namespace, as `ip netns` shows it. */
  readonly netns: string;
  /** Runs lines of the `ip` command (`addr add …`), all in one go. */
  ip(...lines: readonly string[]): void;
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
export function createHost(name: string, netns: string, kind: HostKind, directory: string): Host {
  run('ip', ['netns', 'add', netns]);
  const inside = (command: readonly string[]) => [`--net=/run/netns/${netns}`, '--', ...command];
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
  const lines = Object.entries(settings).map(
    ([key, value]) => `echo ${value} >/proc/sys/net/${key}`,
  );
  run('nsenter', inside(['sh', '-e']), [...lines, 'ip link set lo up'].join('\n'));

  let started = 0;
  return {
    name,
    netns,
    ip: (...commands) => {
      run('nsenter', inside(['ip', '-batch', '-']), `${commands.join('\n')}\n`);
    },
    run: (command, input) => run('nsenter', inside(command), input),
    finish: (command) => finish(inside(command)),
    start: (command, env = {}) => {
      started += 1;
      const log = `${directory}/${name}-${started}.log`;
      return startProcess(netns, command, { log, env: { ...process.env, ...env } });
    },
  };
}

function finish(args: readonly string[]): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn('nsenter', args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: SYSTEM_ENVIRONMENT,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? signal ?? 1, stdout, stderr }));
  });
}
