import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { atExit } from '../at-exit.ts';

const FIRST_PORT = 6443;
/** Ports for the API servers of one control plane. */
const PORTS = 10;

/** Where a control plane lives. */
export interface Place {
  /** Goes with this process, or when the next place is made after it was killed. */
  readonly folder: string;
  /** On the loopback. */
  readonly address: string;
  readonly firstPort: number;
  /** Removes the folder. */
  remove(): void;
}

let places = 0;

/**
 * A folder and an address that no other process has: derived from this one's id, so that no port can
 * be taken, neither before the start nor between stop and start.
 */
export function makePlace(): Place {
  removeLeftovers();
  const { pid } = process;
  const firstPort = FIRST_PORT + PORTS * places;
  places += 1;
  const folder = `${tmpdir()}/tg-${pid}-kubernetes-${places}`;
  mkdirSync(folder, { mode: 0o700 });
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  const forget = atExit(removeFolder);
  // Process ids have up to 22 bits.
  const address = `127.${64 + (pid >> 16)}.${(pid >> 8) & 255}.${pid & 255}`;
  return {
    folder,
    address,
    firstPort,
    remove: () => {
      forget();
      removeFolder();
    },
  };
}

/** Folders of processes that were killed; their programs the kernel has ended. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = /^tg-(\d+)-kubernetes-/.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) {
      rmSync(`${tmpdir()}/${name}`, { recursive: true, force: true });
    }
  }
}
