import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { finish } from './finish.ts';

const SCRIPT = fileURLToPath(new URL('../kubernetes-assets', import.meta.url));

/** The programs of a real control plane: the environment that names them, or why there are none. */
export type Kubernetes =
  | { readonly env: { readonly KUBEBUILDER_ASSETS: string } }
  | { readonly missing: string };

/** Whether a test file starts a real API server. */
export function needsKubernetes(file: string): boolean {
  return /^test\/(lab\/)?kubernetes\//.test(file);
}

/** Finds the programs or makes them, which takes some minutes, once on a machine. */
export async function prepareKubernetes(): Promise<Kubernetes> {
  const show = (text: string) => process.stderr.write(text);
  const { code, stdout, stderr } = await finish('sh', [SCRIPT], {}, show);
  if (code === 0) return { env: { KUBEBUILDER_ASSETS: stdout.trim() } };
  const lines = stderr.split('\n').filter((line) => line.startsWith('kubernetes-assets: '));
  return { missing: lines.at(-1)?.replace('kubernetes-assets: ', '') ?? stderr.trim() };
}

/** What the run has to say, loudly, about files it could not run. */
export function describeNotRun(files: readonly string[], missing: string): string {
  return [
    '',
    `NOT RUN: ${files.length} test files that need a real Kubernetes API server:`,
    ...files.map((file) => `    ${file}`),
    `Reason: ${missing}`,
  ].join('\n');
}

/** How many tests a file declares, for files that are not run. */
export function countTests(file: string): number {
  return readFileSync(file, 'utf8').match(/^test(\.serial)?\(/gm)?.length ?? 0;
}
