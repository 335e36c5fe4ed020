import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Host } from '../../lab/host.ts';
import { showCommand } from '../show.ts';
import { type DemoCluster, MANIFESTS } from './demo-cluster.ts';
import { endpointSlices } from './endpoint-slices.ts';

/** A folder on the edge box that Tidegate watches in place of a Kubernetes API. */
export function manifestFolder(folder: string, edge: Host): DemoCluster {
  mkdirSync(folder);
  return {
    settings: `cluster: { source: files, files: { path: ${folder} } }`,
    wayIn: [['manifests, live', folder]],
    async add(file) {
      showCommand(edge, ['cp', `config/demo/${file}`, folder]);
      copyFileSync(`${MANIFESTS}/${file}`, `${folder}/${file}`);
      return readFileSync(`${MANIFESTS}/${file}`, 'utf8');
    },
    async writeEndpoints(endpoints) {
      // Written aside and renamed, as any careful writer does: the folder never holds half a file.
      writeFileSync(`${folder}/.endpoints.yaml.new`, endpointSlices(endpoints).join('---\n'));
      renameSync(`${folder}/.endpoints.yaml.new`, `${folder}/endpoints.yaml`);
    },
  };
}
