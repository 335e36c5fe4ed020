import { cpSync, rmSync } from 'node:fs';
import type { LabProcess } from '../../lab/process.ts';
import { end, type Launch } from './launch.ts';

const GRACE_MS = 5000;

/** The database of a control plane, reached through a Unix socket: no port can be taken. */
export interface Etcd {
  /** For `--etcd-servers`. */
  readonly endpoint: string;
  start(): void;
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
  const command = [
    // The address of a socket must look like host:port, so it is a name in the working folder.
    'env',
    `--chdir=${folder}`,
    program,
    `--data-dir=${data}`,
    '--listen-client-urls=unix://client:0',
    // Only told to others, of whom there are none.
    '--advertise-client-urls=http://127.0.0.1:2379',
    '--listen-peer-urls=unix://peer:0',
    // Nothing here outlives the machine.
    '--unsafe-no-fsync',
  ];
  return {
    endpoint: `unix://${folder}/client:0`,
    start: () => {
      running = launch(command, `${folder}/etcd.log`);
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
