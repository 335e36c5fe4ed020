import { readdirSync, readFileSync } from 'node:fs';

/** What /proc says about a process. */

/** Clock ticks of /proc are 10 ms on every Linux that matters. */
const TICK_MS = 10;

export interface Resident {
  /** Everything in memory: also the program itself, and BPF maps that it has looked into. */
  readonly all: number;
  /** Its heap and stacks. */
  readonly own: number;
}

/** Memory of a process in bytes. */
export function residentBytes(pid: number): Resident {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (field: string) =>
    1024 * Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  return { all: bytes('VmRSS'), own: bytes('RssAnon') };
}

/** Time on a CPU so far, in user space and kernel. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return TICK_MS * (Number(fields[11]) + Number(fields[12]));
}

/** Bytes that the kernel holds for the BPF maps that a process has open, each counted once. */
export function mapBytes(pid: number): number {
  const maps = new Map<string, number>();
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    const text = fdinfo(pid, fd);
    const [, id] = /^map_id:\s+(\d+)$/m.exec(text) ?? [];
    const [, bytes] = /^memlock:\s+(\d+)$/m.exec(text) ?? [];
    if (id !== undefined && bytes !== undefined) maps.set(id, Number(bytes));
  }
  return [...maps.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Empty for a descriptor that was closed in between. */
function fdinfo(pid: number, fd: string): string {
  try {
    return readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
