import type { ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from 'node:fs';
import { atExit } from './at-exit.ts';
import { type CableEnd, connect } from './cable.ts';
import { run } from './command.ts';
import { createHost, type Host, type HostKind } from './host.ts';

const NAMESPACES = '/run/netns';
const BPFFS = '/sys/fs/bpf';
const RUN = '/run';

/**
 * Hosts on veth pairs: a small network inside this machine, for tests and the demo. Everything it
 * makes carries its id in the name, and is removed by `remove()`, when this process ends (Ctrl-C
 * included), or by the next lab when this process was killed.
 */
export interface Lab {
  readonly id: string;
  /** A folder for logs and state; goes with the lab. */
  readonly directory: string;
  /** A folder in bpffs for pins; goes with the lab. */
  readonly bpffs: string;
  host(name: string, kind?: HostKind): Host;
  cable(left: CableEnd, right: CableEnd): void;
  /** Ends every process on the lab's hosts and removes all of it. Does nothing the second time. */
  remove(): void;
  /** Leaves everything running when this process ends; `removeLab(id)` removes it later. */
  keep(): void;
}

/**
 * Starts a lab. The default id `tg-<pid>-<n>` lets later labs recognise what a killed process left;
 * a lab with an id of its own is removed only by who knows it.
 */
export function createLab(id = nextId()): Lab {
  removeLeftovers();
  mountBpffs();
  const directory = `${RUN}/${id}`;
  const bpffs = `${BPFFS}/${id}`;
  mkdirSync(directory);
  mkdirSync(bpffs);
  // A process that has only just been started is not in its namespace yet.
  const children = new Set<ChildProcess>();
  const onStart = (child: ChildProcess) => {
    children.add(child);
    child.once('exit', () => children.delete(child));
  };
  let present = true;
  const remove = () => {
    if (!present) return;
    present = false;
    forget();
    for (const child of children) child.kill('SIGKILL');
    removeLab(id);
  };
  const forget = atExit(remove);
  return {
    id,
    directory,
    bpffs,
    host: (name, kind = 'end') =>
      createHost({ name, netns: `${id}-${name}`, kind, directory, onStart }),
    cable: connect,
    remove,
    keep: forget,
  };
}

/** Removes a lab by its id: processes, namespaces, pins, folder. Nothing there is no error. */
export function removeLab(id: string): void {
  const namespaces = labNamespaces().filter((name) => name.startsWith(`${id}-`));
  for (const pid of processesIn(namespaces)) endProcess(pid);
  run('ip', ['-batch', '-'], namespaces.map((name) => `netns delete ${name}\n`).join(''));
  rmSync(`${BPFFS}/${id}`, { recursive: true, force: true });
  rmSync(`${RUN}/${id}`, { recursive: true, force: true });
}

export function labExists(id: string): boolean {
  return existsSync(`${RUN}/${id}`);
}

/** Ids of labs whose owner is gone without removing them. */
export function leftoverLabs(): string[] {
  const names = [...labNamespaces(), ...listDirectory(BPFFS), ...listDirectory(RUN)];
  const ids = names.flatMap((name) => /^tg-\d+-\d+/.exec(name) ?? []);
  return [...new Set(ids)].filter((id) => !isRunning(Number(id.split('-')[1])));
}

let labs = 0;

function nextId(): string {
  labs += 1;
  return `tg-${process.pid}-${labs}`;
}

function removeLeftovers(): void {
  for (const id of leftoverLabs()) removeLab(id);
}

/** A machine without systemd has nobody to mount bpffs. */
function mountBpffs(): void {
  if (!/ \/sys\/fs\/bpf bpf /.test(readFileSync('/proc/mounts', 'utf8'))) {
    run('mount', ['-t', 'bpf', 'bpf', BPFFS]);
  }
}

function labNamespaces(): string[] {
  return listDirectory(NAMESPACES);
}

/** Processes whose network namespace is one of these. */
function processesIn(namespaces: readonly string[]): number[] {
  const wanted = new Set(
    namespaces.map((name) => `net:[${statSync(`${NAMESPACES}/${name}`).ino}]`),
  );
  return listDirectory('/proc')
    .filter((entry) => /^\d+$/.test(entry) && wanted.has(namespaceOf(entry)))
    .map(Number);
}

function namespaceOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return '';
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself in between.
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
