import { execFile, spawn } from 'node:child_process';
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
  const { stdout } = await promisify(execFile)('sh', [SCRIPT, '--find']);
  return assetsIn(stdout.trim());
}

/** Builds them when they are missing, and says so. Rejects when that cannot be done. */
export function makeAssets(): Promise<Assets> {
  const child = spawn('sh', [SCRIPT], { stdio: ['ignore', 'pipe', 'inherit'] });
  let folder = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    folder += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(assetsIn(folder.trim()));
      else reject(new Error('There is no API server to start; what is missing is said above'));
    });
  });
}

function assetsIn(folder: string): Assets {
  return {
    etcd: `${folder}/etcd`,
    apiServer: `${folder}/kube-apiserver`,
    kubectl: `${folder}/kubectl`,
  };
}
