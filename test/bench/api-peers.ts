import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Host } from '../../lab/host.ts';
import type { ControlPlane } from '../../lab/kubernetes/control-plane.ts';
import type { Lab } from '../../lab/lab.ts';
import { residentBytes } from './proc.ts';

/** Programs that read the same cluster by the libraries that others read it with. */

const NODE_PROGRAM = fileURLToPath(new URL('./programs/informer.ts', import.meta.url));
const GO_PROGRAM = fileURLToPath(new URL('./programs/informer.go', import.meta.url));
/** Has client-go among what kube-apiserver is built from. */
const GO_MODULE = fileURLToPath(new URL('../kubernetes/assets', import.meta.url));
const LIMIT_MS = 120_000;

export interface Peer {
  readonly name: string;
  readonly command: readonly string[];
}

export type Resource = 'services' | 'endpointslices';

/** client-go's informers only where a Go is that builds them. */
export function findPeers(lab: Lab): readonly Peer[] {
  const program = `${lab.directory}/informer`;
  const args = ['build', '-mod=readonly', '-o', program, GO_PROGRAM];
  const { status } = spawnSync('go', args, { cwd: GO_MODULE, stdio: 'ignore' });
  return [
    ...(status === 0 ? [{ name: 'client-go', command: [program] }] : []),
    { name: '@kubernetes/client-node', command: [process.execPath, NODE_PROGRAM] },
  ];
}

/** Ms from the start of the process until it has read all objects, and its memory then. */
export async function runPeer(
  edge: Host,
  plane: ControlPlane,
  { command }: Peer,
  resources: readonly Resource[],
): Promise<{ readonly tookMs: number; readonly bytes: number }> {
  const startedMs = Date.now();
  const running = edge.start([...command, plane.kubeconfig, ...resources]);
  const [, time] = await running.prints(/synced (\d+)/, LIMIT_MS);
  const bytes = residentBytes(running.pid).all;
  await running.stop('SIGKILL');
  return { tookMs: Number(time) - startedMs, bytes };
}
