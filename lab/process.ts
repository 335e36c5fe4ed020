import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 10;
const DEFAULT_WAIT_MS = 10_000;

/** A program that runs on a host of the lab. */
export interface LabProcess {
  readonly pid: number;
  /** File with everything it wrote to stdout and stderr. */
  readonly log: string;
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  output(): string;
  /** Resolves with the match once the output has one; rejects when the program ends or time is up. */
  prints(pattern: RegExp, waitMs?: number): Promise<RegExpExecArray>;
  /** Sends a signal (default SIGTERM) and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
}

/**
 * Starts a program by `nsenter` (these are its arguments), and not by `ip netns exec`, which would
 * mount another /sys and hide bpffs. In a session of its own, so that Ctrl-C on the terminal reaches only
 * the lab's owner, which then removes everything in order; output goes to a file, so that the
 * program can outlive its starter.
 */
export function startProcess(
  command: readonly string[],
  options: {
    readonly log: string;
    readonly env: NodeJS.ProcessEnv;
    readonly onStart: (child: ChildProcess) => void;
  },
): LabProcess {
  const file = openSync(options.log, 'a');
  const child = spawn('nsenter', command, {
    stdio: ['ignore', file, file],
    detached: true,
    env: options.env,
  });
  closeSync(file);
  options.onStart(child);
  if (child.pid === undefined) throw new Error(`Cannot start ${command.join(' ')}: no nsenter`);
  const exited = exitOf(child);
  const output = () => readFileSync(options.log, 'utf8');
  return {
    pid: child.pid,
    log: options.log,
    exited,
    output,
    prints: (pattern, waitMs = DEFAULT_WAIT_MS) =>
      waitForOutput({ child, command, output, pattern, waitMs }),
    stop: (signal = 'SIGTERM') => {
      if (running(child)) child.kill(signal);
      return exited;
    },
  };
}

function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
    child.on('error', (error) => resolve(error.message));
  });
}

async function waitForOutput(wait: {
  readonly child: ChildProcess;
  readonly command: readonly string[];
  readonly output: () => string;
  readonly pattern: RegExp;
  readonly waitMs: number;
}): Promise<RegExpExecArray> {
  const deadline = performance.now() + wait.waitMs;
  for (;;) {
    const ended = !running(wait.child);
    const match = wait.pattern.exec(wait.output());
    if (match) return match;
    if (ended || performance.now() > deadline) {
      const why = ended ? 'ended' : `ran for ${wait.waitMs} ms`;
      const what = `"${wait.command.join(' ')}" ${why} without printing ${wait.pattern}`;
      throw new Error(`${what}; it printed:\n${wait.output()}`);
    }
    await sleep(POLL_MS);
  }
}

function running(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
