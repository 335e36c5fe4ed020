import type { ChildProcess } from 'node:child_process';

/** What a program that ran to its end left behind. */
export interface Finished {
  /** The exit code, or the signal's name. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Waits for its end, however it comes; rejects when it cannot be started. */
export function finished(child: ChildProcess): Promise<Finished> {
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? signal ?? 1, ...said }));
  });
}
