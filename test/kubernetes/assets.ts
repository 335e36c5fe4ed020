import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const SCRIPT = fileURLToPath(new URL('../../scripts/kubernetes-assets', import.meta.url));

/** Where the programs of a real control plane lie. */
export interface Assets {
  readonly etcd: string;
  readonly apiServer: string;
  readonly kubectl: string;
}

/** Rejects with what is missing and how to get it. Never builds: `npm test` has done so before. */
export async function findAssets(): Promise<Assets> {
  try {
    const { stdout } = await promisify(execFile)('sh', [SCRIPT, '--find']);
    const folder = stdout.trim();
    return {
      etcd: `${folder}/etcd`,
      apiServer: `${folder}/kube-apiserver`,
      kubectl: `${folder}/kubectl`,
    };
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim() ?? '';
    throw new Error(said || (error as Error).message, { cause: error });
  }
}
