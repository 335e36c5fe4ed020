import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { EdgeSite } from '../../lab/edge-site.ts';
import { makeAssets } from '../../lab/kubernetes/assets.ts';
import { startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import type { Lab } from '../../lab/lab.ts';
import { output, command as showWords } from '../transcript.ts';
import { type DemoCluster, MANIFESTS } from './demo-cluster.ts';
import { endpointSlices } from './endpoint-slices.ts';

const DEPLOY = fileURLToPath(new URL('../../config/deploy', import.meta.url));
/** What a cluster without MetalLB needs for boxes outside of it (docs/install.md). */
const PARTS = ['metallb-kinds', 'overlays/edge-boxes'];

/** Its address on the segment of the nodes. */
const ADDRESS = '10.10.0.2';
const HOST = 'control-plane';

/**
 * A real kube-apiserver with etcd, on a host of its own beside the nodes. Nobody but the demo makes
 * Nodes and EndpointSlices there; everything else is as in any cluster.
 */
export async function apiServer(lab: Lab, { lan }: EdgeSite): Promise<DemoCluster> {
  const host = lab.host(HOST);
  lab.cable({ host, name: 'eth0', addresses: [`${ADDRESS}/24`] }, { host: lan, name: HOST });
  lan.ip(`link set ${HOST} master lan`);
  const assets = await makeAssets();
  const plane = await startControlPlane({ on: { host, address: ADDRESS } });

  const flag = `--kubeconfig=${plane.kubeconfig}`;

  async function kubectl(...words: readonly string[]): Promise<string> {
    showWords(HOST, ['kubectl', ...words]);
    const said = await plane.kubectl(words.map((word) => word.replace('config/demo', MANIFESTS)));
    output(said);
    return said;
  }

  for (const part of PARTS) {
    await plane.kubectl(['apply', '--server-side', '-k', `${DEPLOY}/${part}`]);
  }
  return {
    settings: `cluster: { source: kubernetes, kubernetes: { kubeconfig: ${plane.kubeconfig} } }`,
    wayIn: [['kubectl', `nsenter --net=/run/netns/${host.netns} ${assets.kubectl} ${flag}`]],
    async add(file) {
      await kubectl('apply', '-f', `config/demo/${file}`);
      return readFileSync(`${MANIFESTS}/${file}`, 'utf8');
    },
    async writeEndpoints(endpoints) {
      await plane.apply(endpointSlices(endpoints).join('---\n'));
    },
    api: {
      kubectl,
      ask: (...words) => plane.kubectl(words),
      kill: () => plane.stopApiServer('killed'),
      start: plane.startApiServer,
    },
  };
}
