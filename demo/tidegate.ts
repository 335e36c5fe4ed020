import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EDGE_INTERFACES, type EdgeSite } from '../lab/edge-site.ts';
import type { Lab } from '../lab/lab.ts';
import type { LabProcess } from '../lab/process.ts';

const PROGRAM = fileURLToPath(new URL('../bin/tidegate', import.meta.url));

/** Tidegate on the edge box of the demo. */
export interface Tidegate {
  /** The command line that starts it. */
  readonly runCommand: readonly string[];
  start(): LabProcess;
  /** A command line of the CLI that asks the running one. */
  command(...words: readonly string[]): readonly string[];
  /** The same as the reader would type it. */
  shown(...words: readonly string[]): readonly string[];
}

export function tidegateOn(site: EdgeSite, lab: Lab, manifests: string): Tidegate {
  const config = `${lab.directory}/tidegate.yaml`;
  const runDir = `${lab.directory}/run`;
  writeFileSync(
    config,
    `node: edge
stateDir: ${lab.directory}/state
runDir: ${runDir}
cluster: { source: files, files: { path: ${manifests} } }
speaker: { interfaces: [${EDGE_INTERFACES[0]}] }
forwarder: { interfaces: [${EDGE_INTERFACES.join(', ')}], bpfDir: ${lab.bpffs} }
`,
  );
  const runCommand = ['run', '--config', config, '--roles', 'controller,speaker,forwarder'];
  return {
    runCommand: ['tidegate', ...runCommand],
    start: () => site.edge.start([PROGRAM, ...runCommand]),
    command: (...words) => [PROGRAM, ...words, '--run-dir', runDir],
    shown: (...words) => ['tidegate', ...words],
  };
}
