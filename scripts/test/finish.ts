import { spawn } from 'node:child_process';

/** What a program that ran to its end said, and how long that took. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** Runs a program to its end; `env` is added to this process's, `onStderr` hears it meanwhile. */
export function finish(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  onStderr: (text: string) => void = () => {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      onStderr(text);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, stdout, stderr, seconds: (performance.now() - start) / 1000 });
    });
  });
}
