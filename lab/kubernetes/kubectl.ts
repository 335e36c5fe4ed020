import { spawn } from 'node:child_process';
import { finished } from '../finished.ts';
import type { Host } from '../host.ts';

/** Runs kubectl to its end; resolves with its stdout, rejects with what it said. */
export async function runKubectl(call: {
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
  const child = spawn('nsenter', [...network, '--', program, ...args], {
    env: { ...process.env, KUBECONFIG: kubeconfig, HOME: home },
  });
  // It may end without having read all of it.
  child.stdin.on('error', () => {});
  child.stdin.end(stdin);
  const { code, stdout, stderr } = await finished(child);
  if (code === 0) return stdout;
  throw new Error(`kubectl ${args.join(' ')} (exit code ${code}): ${stderr || stdout}`);
}
