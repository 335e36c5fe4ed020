import { spawn } from 'node:child_process';
import type { Host } from '../host.ts';

/** Runs kubectl to its end; resolves with its stdout, rejects with what it said. */
export function runKubectl(call: {
  readonly program: string;
  /** Where it keeps what it has discovered. */
  readonly home: string;
  readonly kubeconfig: string;
  /** Where it runs, when that is not the machine itself. */
  readonly host: Host | undefined;
  readonly args: readonly string[];
  readonly stdin: string;
}): Promise<string> {
  const { program, home, kubeconfig, host, args, stdin } = call;
  const network = host ? [`--net=/run/netns/${host.netns}`] : [];
  return new Promise((resolve, reject) => {
    const child = spawn('nsenter', [...network, '--', program, ...args], {
      env: { ...process.env, KUBECONFIG: kubeconfig, HOME: home },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`kubectl ${args.join(' ')} (exit code ${code}): ${stderr || stdout}`));
    });
    // It may end without having read all of it.
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  });
}
