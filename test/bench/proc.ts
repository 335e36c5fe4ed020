import { readdirSync, readFileSync } from 'node:fs';

/** What /proc says about a process. */

/** Clock ticks of /proc are 10 ms on every Linux that matters. */
const TICK_MS = 10;

export function residentBytes(pid: number): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return 1024 * Number(kib);
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
