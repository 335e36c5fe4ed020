import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Host } from '../../lab/host.ts';
import type { LabProcess } from '../../lab/process.ts';
import type { Heard, ScriptedSession, SpeakerScript } from './bfd-speaker.ts';

/** Our BFD on a host of the lab, as `bfd-speaker.ts` runs it. */
export interface Watcher {
  readonly pid: number;
  /** All that was heard of a session, oldest first. */
  heard(key: string): readonly Heard[];
  /** Resolves with what was heard of the session once it fits, at `sinceMs` (wall clock) or later. */
  hears(key: string, what: Partial<Heard>, sinceMs?: number): Promise<Heard>;
  /** Asks how a session stands now, counters included. */
  now(key: string): Promise<Heard>;
  /** Asks so until the answer fits. */
  becomes(key: string, fits: (session: Heard) => boolean): Promise<Heard>;
  /** Packets refused, by reason. */
  drops(): Promise<Readonly<Record<string, number>>>;
  /** Goes on to the next of the wanted sets. */
  goOn(): void;
  /** AdminDown, and the end. */
  stop(): Promise<void>;
  /** The end without a word. */
  kill(): Promise<void>;
  output(): string;
}

const PROGRAM = fileURLToPath(new URL('./bfd-speaker.ts', import.meta.url));
const WAIT_MS = 15_000;
const POLL_MS = 5;
const ASK_MS = 100;

export function watchFrom(host: Host, script: SpeakerScript): Watcher {
  const program = host.start([process.execPath, PROGRAM, JSON.stringify(script)]);
  const lines = () =>
    program
      .output()
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Heard & { readonly drops?: Record<string, number> });
  const heard = (key: string) => lines().filter((line) => line.key === key);
  const answered = async (): Promise<ReturnType<typeof lines>> => {
    const before = lines().length;
    process.kill(program.pid, 'SIGUSR2');
    for (const deadline = performance.now() + WAIT_MS; performance.now() < deadline; ) {
      const after = lines().slice(before);
      if (after.some(({ drops }) => drops)) return after;
      await sleep(POLL_MS);
    }
    throw new Error(`No answer; it printed:\n${program.output()}`);
  };
  const now = async (key: string) => {
    const found = (await answered()).findLast((line) => line.key === key);
    if (!found) throw new Error(`There is no session "${key}"`);
    return found;
  };
  return {
    pid: program.pid,
    heard,
    now,
    async becomes(key, wanted) {
      await untilStarted(program);
      for (const deadline = performance.now() + WAIT_MS; performance.now() < deadline; ) {
        const session = await now(key);
        if (wanted(session)) return session;
        await sleep(ASK_MS);
      }
      throw new Error(`Not so: ${wanted}; but ${JSON.stringify(heard(key).slice(-3))}`);
    },
    async hears(key, what, sinceMs = 0) {
      for (const deadline = performance.now() + WAIT_MS; performance.now() < deadline; ) {
        const found = heard(key).find((line) => line.atMs >= sinceMs && fits(line, what));
        if (found) return found;
        await sleep(POLL_MS);
      }
      throw new Error(
        `Not heard: ${JSON.stringify(what)}; but ${JSON.stringify(heard(key).slice(-3))}`,
      );
    },
    async drops() {
      return (await answered()).findLast(({ drops }) => drops)?.drops ?? {};
    },
    goOn: () => void process.kill(program.pid, 'SIGUSR1'),
    stop: async () => void (await program.stop()),
    kill: async () => void (await program.stop('SIGKILL')),
    output: program.output,
  };
}

/** It knows its signals once its thread has reported. */
async function untilStarted(program: LabProcess): Promise<void> {
  await program.prints(/^\{.*"key"/m, WAIT_MS);
}

/** One session named `peer`. */
export function watchOne(host: Host, ...sessions: readonly ScriptedSession[]): Watcher {
  return watchFrom(host, { wants: sessions.map((peer) => ({ peer })) });
}

const CUT = `table inet cut { chain input {
  type filter hook input priority 0; udp dport { 3784, 4784 } drop;
}; }`;

/**
 * From now on no BFD packet arrives on this host. Returns when that began at the earliest (wall
 * clock): the program that does it may be slow to end, and things happen meanwhile.
 */
export function deafen(host: Host): number {
  const beganMs = Date.now();
  host.run(['nft', '-f', '-'], CUT);
  return beganMs;
}

/** The end of that, and when at the earliest. */
export function undeafen(host: Host): number {
  const beganMs = Date.now();
  host.run(['nft', 'delete', 'table', 'inet', 'cut']);
  return beganMs;
}

function fits(line: Heard, what: Partial<Heard>): boolean {
  return Object.entries(what).every(([name, value]) => line[name as keyof Heard] === value);
}
