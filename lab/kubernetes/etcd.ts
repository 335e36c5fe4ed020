import { cpSync, rmSync } from 'node:fs';
import type { LabProcess } from '../process.ts';
import { end, type Launch } from './launch.ts';

const GRACE_MS = 5000;
const START_LIMIT_MS = 30_000;
/** Sockets: an address of one must look like host:port, so they are names in the working folder. */
const CLIENT = 'client:0';
const PEER = 'peer:0';

/** The database of a control plane, reached through a Unix socket: no port can be taken. */
export interface Etcd {
  /** For `--etcd-servers`. */
  readonly endpoint: string;
  /** Resolves once it serves. */
  start(): Promise<void>;
  /** Asks it to end, or kills it. */
  stop(how: 'clean' | 'killed'): Promise<void>;
  /** Copies the data as a snapshot of the disk would: as if the machine had lost power now. */
  copyData(to: string): void;
  /** Puts back what `copyData()` made. It must not run. */
  replaceData(from: string): void;
}

/** `folder` is of its own, and exists. */
export function createEtcd(options: {
  readonly program: string;
  readonly folder: string;
  readonly launch: Launch;
}): Etcd {
  const { program, folder, launch } = options;
  const data = `${folder}/data`;
  let running: LabProcess | undefined;
  let starts = 0;
  const command = [
    'env',
    `--chdir=${folder}`,
    program,
    `--data-dir=${data}`,
    `--listen-client-urls=unix://${CLIENT}`,
    // Only told to others, of whom there are none.
    '--advertise-client-urls=http://127.0.0.1:2379',
    `--listen-peer-urls=unix://${PEER}`,
    // Nothing here outlives the machine.
    '--unsafe-no-fsync',
  ];
  return {
    endpoint: `unix://${folder}/${CLIENT}`,
    start: async () => {
      // It refuses to start where a killed one has left its own.
      for (const socket of [CLIENT, PEER]) rmSync(`${folder}/${socket}`, { force: true });
      starts += 1;
      running = launch(command, `${folder}/etcd-${starts}.log`);
      await running.prints(/ready to serve client requests/, START_LIMIT_MS);
    },
    stop: async (how) => {
      if (!running) return;
      await (how === 'clean' ? end(running, GRACE_MS) : running.stop('SIGKILL'));
      running = undefined;
    },
    copyData: (to) => {
      const pid = running?.pid;
      if (pid !== undefined) process.kill(pid, 'SIGSTOP');
      try {
        cpSync(data, to, { recursive: true });
      } finally {
        if (pid !== undefined) process.kill(pid, 'SIGCONT');
      }
    },
    replaceData: (from) => {
      rmSync(data, { recursive: true, force: true });
      cpSync(from, data, { recursive: true });
    },
  };
}
