import type { ControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { endpointSliceManifest, serviceManifest } from '../../../lab/kubernetes/manifests.ts';
import { MERGE_PATCH, SERVICES } from '../pair/cluster-view.ts';

/** A Service with the status that MetalLB gave it. */
export interface Legacy {
  readonly name: string;
  /** Asked for or not; in the order of its status. */
  readonly addresses: readonly string[];
  readonly pool: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec?: object;
  readonly pods: readonly string[];
}

const METALLB = 'metallb-system';

/** What the objects of MetalLB 0.15 in a cluster look like, without its own programs. */
export async function leaveMetallb(plane: ControlPlane, legacies: readonly Legacy[]) {
  const metallb = (kind: string, name: string, spec?: object) =>
    plane.apply({
      apiVersion: 'metallb.io/v1beta1',
      kind,
      metadata: { name, namespace: METALLB },
      ...(spec && { spec }),
    });
  await metallb('IPAddressPool', 'public', {
    addresses: ['192.0.2.100-192.0.2.149', '2001:db8:f::100-2001:db8:f::149'],
  });
  await metallb('IPAddressPool', 'special', {
    addresses: ['192.0.2.160/29'],
    autoAssign: false,
    avoidBuggyIPs: true,
  });
  await metallb('L2Advertisement', 'all', { ipAddressPools: ['public', 'special'] });
  for (const legacy of legacies) await leaveService(plane, legacy);
  await leavePrograms(plane);
}

async function leaveService(plane: ControlPlane, legacy: Legacy) {
  const { name, addresses, pool, annotations = {}, spec = {}, pods } = legacy;
  const from = { 'metallb.io/ip-allocated-from-pool': pool };
  await plane.apply(serviceManifest(name, { annotations: { ...from, ...annotations }, spec }));
  const ingress = addresses.map((ip) => ({ ip, ipMode: 'VIP' }));
  const body = { status: { loadBalancer: { ingress } } };
  await plane.must('PATCH', `${SERVICES}/${name}/status`, body, MERGE_PATCH);
  for (const [family, of] of Map.groupBy(pods, (pod) => (pod.includes(':') ? 'v6' : 'v4'))) {
    const slice = endpointSliceManifest(name, of);
    const { metadata } = slice;
    await plane.apply({ ...slice, metadata: { ...metadata, name: `${name}-${family}` } });
  }
}

/** A speaker's report on each Service would look like this one's; and the workloads, by their names. */
async function leavePrograms(plane: ControlPlane) {
  await plane.apply({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'ServiceL2Status',
    metadata: {
      name: 'l2-x7k2p',
      namespace: METALLB,
      labels: {
        'metallb.io/node': 'worker-1',
        'metallb.io/service-name': 'plain',
        'metallb.io/service-namespace': 'default',
      },
    },
  });
  const [made] = await plane.apply({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'ConfigurationState',
    metadata: { name: 'speaker-worker-1', namespace: METALLB },
  });
  if (!made) throw new Error('The API server made no ConfigurationState');
  const l2 = `/apis/metallb.io/v1beta1/namespaces/${METALLB}/servicel2statuses/l2-x7k2p/status`;
  const status = { node: 'worker-1', serviceName: 'plain', serviceNamespace: 'default' };
  await plane.must('PATCH', l2, { status }, MERGE_PATCH);
  const workload = (kind: string, name: string) => ({
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, namespace: METALLB },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'only', image: 'example.com/metallb' }] },
      },
    },
  });
  await plane.apply(workload('Deployment', 'controller'));
  await plane.apply(workload('DaemonSet', 'speaker'));
  await plane.apply({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'metallb-webhook-configuration' },
    webhooks: [
      {
        name: 'ipaddresspoolvalidationwebhook.metallb.io',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Fail',
        clientConfig: {
          service: { namespace: METALLB, name: 'metallb-webhook-service', path: '/validate' },
        },
        rules: [
          {
            apiGroups: ['metallb.io'],
            apiVersions: ['v1beta1'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['ipaddresspools'],
          },
        ],
      },
    ],
  });
}
