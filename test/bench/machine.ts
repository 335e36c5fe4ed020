import { spawnSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { SYSTEM_ENVIRONMENT } from '../../lab/command.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Where and when something was measured, and against what. */
export interface Machine {
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  /** Of this checkout; ends with `-dirty` when files differ from it. */
  readonly commit: string;
  /** Of the last minute before anything was measured: above a half, others share the machine. */
  readonly load: number;
  /** Versions of what was measured beside it. */
  readonly peers: Readonly<Record<string, string>>;
}

const PEERS: Readonly<Record<string, readonly string[]>> = {
  nftables: ['nft', '--version'],
  haproxy: ['haproxy', '-v'],
  nginx: ['nginx', '-v'],
  wrk: ['wrk', '--version'],
  bird: ['bird', '--version'],
  gobgp: ['gobgpd', '--version'],
};

export function describeMachine(): Machine {
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    commit: said(['git', '-C', ROOT, 'describe', '--always', '--dirty']) ?? 'unknown',
    load: Math.round(100 * (loadavg()[0] ?? 0)) / 100,
    peers: Object.fromEntries(
      Object.entries(PEERS).flatMap(([name, command]) => {
        const version = said(command);
        return version === undefined ? [] : [[name, version]];
      }),
    ),
  };
}

/** The first line that a command says, on whichever stream; undefined without the command. */
function said([command = '', ...args]: readonly string[]): string | undefined {
  const { error, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: SYSTEM_ENVIRONMENT,
  });
  if (error) return undefined;
  return (stdout || stderr).split('\n')[0]?.trim();
}
