import { fileURLToPath } from 'node:url';
import type { Host } from '../../lab/host.ts';
import { inParallel } from '../../lab/kubernetes/bulk.ts';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { endpointSliceManifest, serviceManifest } from '../../lab/kubernetes/manifests.ts';
import { podsOf } from './large-cluster.ts';

/** A large cluster on a real API server. */

const DEPLOY = fileURLToPath(new URL('../../config/deploy/', import.meta.url));
const POOL = 'all';
export const NAMESPACE = 'default';
/** On the edge's own loopback: no wire between the two. */
const ADDRESS = '127.0.0.1';

export function serviceName(index: number): string {
  return `service-${index}`;
}

/** Starts a control plane on the edge, and writes the cluster to it. */
export async function openApiCluster(edge: Host, services: number): Promise<ControlPlane> {
  const plane = await startControlPlane({ on: { host: edge, address: ADDRESS } });
  try {
    for (const base of ['metallb-kinds', 'overlays/edge-boxes']) {
      await plane.kubectl(['apply', '--server-side', '-k', `${DEPLOY}${base}`]);
    }
    await plane.apply({
      apiVersion: 'metallb.io/v1beta1',
      kind: 'IPAddressPool',
      metadata: { name: POOL, namespace: 'metallb-system' },
      spec: { addresses: ['198.18.0.0/15'] },
    });
    await inParallel(services, async (index) => {
      const { uid } = (await plane.must('POST', SERVICES, serviceManifest(serviceName(index))))
        .metadata;
      await plane.must('POST', SLICES, sliceOf(index, 0, uid));
    });
    return plane;
  } catch (error) {
    await plane.stop();
    throw error;
  }
}

export const SERVICES = `/api/v1/namespaces/${NAMESPACE}/services`;
export const SLICES = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`;

/** As the cluster's own controller writes it, with owner, Pods and their Nodes. */
function sliceOf(index: number, turn: number, uid: string): object {
  const name = serviceName(index);
  const slice = endpointSliceManifest(name, []);
  return {
    ...slice,
    metadata: {
      ...slice.metadata,
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z' },
      ownerReferences: [
        {
          apiVersion: 'v1',
          kind: 'Service',
          name,
          uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    endpoints: endpointsOf(index, turn),
  };
}

/** Another turn replaces one of a Service's endpoints. */
export function endpointsOf(index: number, turn: number): readonly object[] {
  return podsOf(index, turn, 4).map((address) => {
    const [, network = '100', high, low] = address.split('.');
    const name = `pod-${network}-${high}-${low}`;
    return {
      addresses: [address],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${Number(network) - 100}`,
      targetRef: { kind: 'Pod', namespace: NAMESPACE, name, uid: `00000000-${name}` },
    };
  });
}

/** Where the slice of a Service stands. */
export function slicePath(index: number): string {
  return `${SLICES}/${serviceName(index)}-1`;
}
