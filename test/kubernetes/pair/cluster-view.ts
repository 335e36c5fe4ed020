import type { ControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { endpointSliceManifest, serviceManifest } from '../../../lab/kubernetes/manifests.ts';
import type { BoxName } from './edge-pair.ts';
import { until } from './two-boxes.ts';

/** What these tests write into a cluster, and read from it, as its users would. */
export const SERVICES = '/api/v1/namespaces/default/services';
export const EDGE_NODES = '/apis/tidegate.io/v1alpha1/edgenodes';
export const L2_STATUSES = '/apis/metallb.io/v1beta1/namespaces/metallb-system/servicel2statuses';
export const LEADER_LEASE =
  '/apis/coordination.k8s.io/v1/namespaces/tidegate-system/leases/tidegate-controller';
export const MERGE_PATCH = 'application/merge-patch+json';

export async function writePool(plane: ControlPlane, name: string, addresses: readonly string[]) {
  await plane.apply({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name, namespace: 'metallb-system' },
    spec: { addresses },
  });
}

export async function writeAdvertisement(plane: ControlPlane, name: string) {
  await plane.apply({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'L2Advertisement',
    metadata: { name, namespace: 'metallb-system' },
  });
}

const PORTS = [
  { name: 'tcp', port: 80, targetPort: 8080, protocol: 'TCP' },
  { name: 'udp', port: 80, targetPort: 8080, protocol: 'UDP' },
];

export interface WebFields {
  /** The address that it asks for. */
  readonly vip?: string;
  /** Addresses of Pods; none, and it has no slice. */
  readonly pods?: readonly string[];
  readonly spec?: object;
}

/** A Service on port 80 of both protocols, and the slice that somebody writes by hand for it. */
export async function writeService(plane: ControlPlane, name: string, fields: WebFields = {}) {
  const { vip, pods = [], spec = {} } = fields;
  const ipFamilies = [vip?.includes(':') ? 'IPv6' : 'IPv4'];
  await plane.apply(
    serviceManifest(name, {
      ...(vip !== undefined && { annotations: { 'metallb.io/loadBalancerIPs': vip } }),
      spec: { ipFamilies, ports: PORTS, ...spec },
    }),
  );
  if (pods.length > 0) await writeEndpoints(plane, name, pods);
}

export async function writeEndpoints(plane: ControlPlane, name: string, pods: readonly string[]) {
  const ports = PORTS.map(({ name, protocol }) => ({ name, protocol, port: 8080 }));
  await plane.apply({ ...endpointSliceManifest(name, pods), ports });
}

/** A Service as the API server has it; `undefined` when it has not. */
export async function readService(plane: ControlPlane, name: string) {
  const { status, body } = await plane.request('GET', `${SERVICES}/${name}`);
  return status === 200 ? body : undefined;
}

export async function addressesOf(plane: ControlPlane, name: string): Promise<readonly string[]> {
  const ingress = (await readService(plane, name))?.status?.loadBalancer?.ingress ?? [];
  return ingress.map(({ ip }: { ip: string }) => ip);
}

/** Resolves with the first address of a Service. */
export function untilAddress(plane: ControlPlane, name: string, waitMs?: number): Promise<string> {
  const look = async () => (await addressesOf(plane, name))[0];
  return until(`${name} has an address`, look, waitMs);
}

/** Waits until a condition of a Service has a status; resolves with it. */
export function untilCondition(
  plane: ControlPlane,
  name: string,
  type: string,
  wanted: 'True' | 'False',
): Promise<{ readonly reason: string; readonly message: string }> {
  return until(`${type} of ${name} is ${wanted}`, async () => {
    const { status } = (await readService(plane, name)) ?? {};
    return status?.conditions?.find(
      (it: { type: string; status: string }) => it.type === type && it.status === wanted,
    );
  });
}

/** The box whose controller leads, by the Lease. */
export async function leader(plane: ControlPlane): Promise<BoxName | undefined> {
  const { body } = await plane.request('GET', LEADER_LEASE);
  const holder: string = body?.spec?.holderIdentity ?? '';
  return (['edge-1', 'edge-2'] as const).find((name) => holder.startsWith(name));
}
