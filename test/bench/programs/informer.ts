/**
 * Reads a cluster by the informers of @kubernetes/client-node: `node informer.ts KUBECONFIG
 * RESOURCE...`. Prints the time (ms since 1970) when all have been read, and stays.
 */
import {
  CoreV1Api,
  DiscoveryV1Api,
  KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  makeInformer,
} from '@kubernetes/client-node';

const [file = '', ...resources] = process.argv.slice(2);
const config = new KubeConfig();
config.loadFromFile(file);
const core = config.makeApiClient(CoreV1Api);
const discovery = config.makeApiClient(DiscoveryV1Api);

interface Listed {
  readonly path: string;
  readonly list: () => Promise<KubernetesListObject<KubernetesObject>>;
}

const LISTED: Readonly<Record<string, Listed>> = {
  services: { path: '/api/v1/services', list: () => core.listServiceForAllNamespaces() },
  endpointslices: {
    path: '/apis/discovery.k8s.io/v1/endpointslices',
    list: () => discovery.listEndpointSliceForAllNamespaces(),
  },
};

// `start()` resolves when the list has been read.
await Promise.all(
  resources.map((name) => {
    const { path, list } = LISTED[name] as Listed;
    return makeInformer(config, path, list).start();
  }),
);
console.log(`synced ${Date.now()}`);
