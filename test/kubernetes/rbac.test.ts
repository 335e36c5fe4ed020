import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { type ApiClient, createApiClient } from '../../lab/kubernetes/api-client.ts';
import { findAssets } from '../../lab/kubernetes/assets.ts';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { kindsToRead } from '../../src/cluster/kubernetes/reading/kinds.ts';

/**
 * What each role may do, asked of the server itself: every verb on every target below is tried as that
 * role, without effect (dry run), and exactly what stands in its table may pass.
 */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MERGE_PATCH = 'application/merge-patch+json';
const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
const READ = ['get', 'list', 'watch'];

const CORE = '/api/v1';
const METALLB = '/apis/metallb.io/v1beta1/namespaces/metallb-system';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/tidegate-system/leases';
const EDGE_NODES = '/apis/tidegate.io/v1alpha1/edgenodes';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

/** What is asked for: the path of one object, and of its subresource. */
const TARGETS: Readonly<Record<string, string>> = {
  service: `${CORE}/namespaces/default/services/web`,
  'service status': `${CORE}/namespaces/default/services/web/status`,
  'endpoint slice': '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/web-1',
  pod: `${CORE}/namespaces/default/pods/web-1`,
  node: `${CORE}/nodes/worker-1`,
  'node status': `${CORE}/nodes/worker-1/status`,
  namespace: `${CORE}/namespaces/default`,
  'namespace kube-system': `${CORE}/namespaces/kube-system`,
  event: `${CORE}/namespaces/default/events/web.1`,
  'config map': `${CORE}/namespaces/tidegate-system/configmaps/some`,
  'secret of a user': `${CORE}/namespaces/default/secrets/some`,
  "secret in Tidegate's namespace": `${CORE}/namespaces/tidegate-system/secrets/some`,
  "secret in MetalLB's namespace": `${CORE}/namespaces/metallb-system/secrets/some`,
  'secret of a BGP peer': `${CORE}/namespaces/metallb-system/secrets/tidegate-bgp-password`,
  'service account': `${CORE}/namespaces/tidegate-system/serviceaccounts/tidegate-controller`,
  "another's token": `${CORE}/namespaces/tidegate-system/serviceaccounts/tidegate-controller/token`,
  'lease of the leader': `${LEASES}/tidegate-controller`,
  'lease of edge-1': `${LEASES}/edgenode-edge-1`,
  'lease of edge-2': `${LEASES}/edgenode-edge-2`,
  "lease of kube-system's": '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/some',
  'edge-1': `${EDGE_NODES}/edge-1`,
  'status of edge-1': `${EDGE_NODES}/edge-1/status`,
  'edge-2': `${EDGE_NODES}/edge-2`,
  'status of edge-2': `${EDGE_NODES}/edge-2/status`,
  pool: `${METALLB}/ipaddresspools/first`,
  'pool status': `${METALLB}/ipaddresspools/first/status`,
  'L2 advertisement': `${METALLB}/l2advertisements/all`,
  'BGP peer': '/apis/metallb.io/v1beta2/namespaces/metallb-system/bgppeers/tor-a',
  'BGP advertisement': `${METALLB}/bgpadvertisements/all`,
  'BFD profile': `${METALLB}/bfdprofiles/fast`,
  community: `${METALLB}/communities/names`,
  'L2 status': `${METALLB}/servicel2statuses/l2-1`,
  'status of the L2 status': `${METALLB}/servicel2statuses/l2-1/status`,
  'BGP status': `${METALLB}/servicebgpstatuses/bgp-1`,
  'status of the BGP status': `${METALLB}/servicebgpstatuses/bgp-1/status`,
  'configuration state': `${METALLB}/configurationstates/controller`,
  'status of the configuration state': `${METALLB}/configurationstates/controller/status`,
  'configuration state of edge-1': `${METALLB}/configurationstates/speaker-edge-1`,
  'its status': `${METALLB}/configurationstates/speaker-edge-1/status`,
  'configuration state of edge-2': `${METALLB}/configurationstates/speaker-edge-2`,
  'status of that': `${METALLB}/configurationstates/speaker-edge-2/status`,
  deployment: '/apis/apps/v1/namespaces/tidegate-system/deployments/some',
  'cluster role': `${RBAC}/clusterroles/tidegate-controller`,
  role: `${RBAC}/namespaces/tidegate-system/roles/tidegate-controller`,
  definition: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ipaddresspools.metallb.io',
};

type Rights = Readonly<Record<string, readonly string[]>>;

const READ_LEASES: Rights = {
  // "create" cannot be restricted by name; it never replaces what exists.
  'lease of the leader': [...READ, 'create'],
  'lease of edge-1': [...READ, 'create'],
  'lease of edge-2': [...READ, 'create'],
};

const CONTROLLER: Rights = {
  ...READ_LEASES,
  service: READ,
  'service status': ['patch'],
  namespace: READ,
  'namespace kube-system': READ,
  event: ['create', 'patch'],
  'lease of the leader': [...READ, 'create', 'update'],
  'edge-1': READ,
  'status of edge-1': ['patch'],
  'edge-2': READ,
  'status of edge-2': ['patch'],
  pool: READ,
  'pool status': ['patch'],
  'L2 status': [...READ, 'delete'],
  'BGP status': [...READ, 'delete'],
  'configuration state': ['get', 'create'],
  'status of the configuration state': ['patch'],
  'configuration state of edge-1': ['create'],
  'configuration state of edge-2': ['create'],
};

/** Of one box. */
const SPEAKER: Rights = {
  ...READ_LEASES,
  service: READ,
  namespace: READ,
  'namespace kube-system': READ,
  node: READ,
  event: ['create', 'patch'],
  'lease of edge-1': [...READ, 'create', 'patch'],
  'edge-1': [...READ, 'patch'],
  'status of edge-1': ['patch'],
  'edge-2': READ,
  pool: READ,
  'L2 advertisement': READ,
  'BGP peer': READ,
  'BGP advertisement': READ,
  'BFD profile': READ,
  community: READ,
  // Reading all Secrets is denied: a list must ask for that one by name.
  'secret of a BGP peer': ['get'],
  'L2 status': [...READ, 'create', 'delete'],
  'status of the L2 status': ['patch'],
  'BGP status': [...READ, 'create', 'delete'],
  'status of the BGP status': ['patch'],
  'configuration state': ['create'],
  'configuration state of edge-1': ['get', 'create'],
  'its status': ['patch'],
  'configuration state of edge-2': ['create'],
};

/** Of the DaemonSet's Pods, which a policy keeps to their boxes. */
const SPEAKER_OF_ANY_BOX: Rights = {
  ...SPEAKER,
  'lease of the leader': [...READ, 'create', 'patch'],
  'lease of edge-2': [...READ, 'create', 'patch'],
  'edge-1': [...READ, 'create', 'patch'],
  'edge-2': [...READ, 'create', 'patch'],
  'status of edge-2': ['patch'],
  'configuration state': ['get', 'create'],
  'status of the configuration state': ['patch'],
  'configuration state of edge-2': ['get', 'create'],
  'status of that': ['patch'],
};

const FORWARDER: Rights = {
  service: READ,
  'endpoint slice': READ,
  pod: READ,
  node: READ,
  'namespace kube-system': ['get'],
  'edge-1': READ,
  'edge-2': READ,
};

let plane: ControlPlane;

test.before(async () => {
  plane = await startControlPlane();
  await plane.kubectl(['apply', '--server-side', '-k', `${ROOT}config/deploy/metallb-kinds`]);
  await plane.kubectl(['apply', '--server-side', '-k', `${ROOT}config/deploy/overlays/edge-boxes`]);
  await plane.apply(OBJECTS);
  const script = `${ROOT}scripts/box-kubeconfig`;
  const { kubectl } = await findAssets();
  const env = { ...process.env, KUBECONFIG: plane.kubeconfig, KUBECTL: kubectl };
  for (const args of [['edge-1'], ['edge-3', 'speaker']]) {
    await promisify(execFile)('sh', [script, ...args], { cwd: plane.folder, env });
  }
});

test.after.always(() => plane?.stop());

const OBJECTS = `
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Event, metadata: {name: web.1}, involvedObject: {namespace: default}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-1}, addressType: IPv4, endpoints: []}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-1}, spec: {containers: [{name: web, image: web}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: worker-1}}
---
{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: tidegate-controller, namespace: tidegate-system}}
---
{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: edgenode-edge-1, namespace: tidegate-system}}
---
{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: edgenode-edge-2, namespace: tidegate-system}}
---
{apiVersion: tidegate.io/v1alpha1, kind: EdgeNode, metadata: {name: edge-1}}
---
{apiVersion: tidegate.io/v1alpha1, kind: EdgeNode, metadata: {name: edge-2}}
---
{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: first, namespace: metallb-system}, spec: {addresses: [192.0.2.0/24]}}
---
{apiVersion: metallb.io/v1beta1, kind: L2Advertisement, metadata: {name: all, namespace: metallb-system}}
---
{apiVersion: metallb.io/v1beta1, kind: ServiceL2Status, metadata: {name: l2-1, namespace: metallb-system}}
---
{apiVersion: metallb.io/v1beta1, kind: ConfigurationState, metadata: {name: controller, namespace: metallb-system}}
---
{apiVersion: metallb.io/v1beta1, kind: ConfigurationState, metadata: {name: speaker-edge-1, namespace: metallb-system}}
---
{apiVersion: metallb.io/v1beta1, kind: ConfigurationState, metadata: {name: speaker-edge-2, namespace: metallb-system}}
---
{apiVersion: metallb.io/v1beta2, kind: BGPPeer, metadata: {name: tor-a, namespace: metallb-system}, spec: {myASN: 64500, peerASN: 64501, peerAddress: 192.0.2.1}}
---
{apiVersion: metallb.io/v1beta1, kind: BGPAdvertisement, metadata: {name: all, namespace: metallb-system}}
---
{apiVersion: metallb.io/v1beta1, kind: BFDProfile, metadata: {name: fast, namespace: metallb-system}}
---
{apiVersion: metallb.io/v1beta1, kind: Community, metadata: {name: names, namespace: metallb-system}}
---
{apiVersion: metallb.io/v1beta1, kind: ServiceBGPStatus, metadata: {name: bgp-1, namespace: metallb-system}}
---
{apiVersion: v1, kind: Secret, type: kubernetes.io/basic-auth, stringData: {password: hunter2}, metadata: {name: tidegate-bgp-password, namespace: metallb-system}}
`;

function clientOf(token: string): ApiClient {
  return createApiClient({ url: plane.url, ca: plane.ca, token });
}

/** Sends what a verb is, without effect; resolves with the HTTP status. */
async function attempt(client: ApiClient, verb: string, path: string): Promise<number> {
  const [, parent = '', name = '', subresource = ''] = splitPath(path);
  const dry = 'dryRun=All';
  const send = async (method: string, at: string, body?: unknown, type?: string) =>
    (await client.request(method, at, body, type)).status;
  switch (verb) {
    case 'get':
      return send('GET', path);
    case 'list':
      return send('GET', `${parent}${subresource}`);
    case 'watch':
      return send('GET', `${parent}${subresource}?watch=true&timeoutSeconds=1`);
    case 'create': {
      if (subresource !== '') return send('POST', `${path}?${dry}`, {});
      const old = (await plane.request('GET', path)).body;
      const fresh = { ...old, metadata: { ...pick(old.metadata), name: `${name}-new` } };
      return send('POST', `${parent}?${dry}`, fresh);
    }
    case 'update': {
      const old = (await plane.request('GET', path)).body;
      return send('PUT', `${path}?${dry}`, old);
    }
    case 'patch':
      return send(
        'PATCH',
        `${path}?${dry}`,
        { metadata: { labels: { tried: 'yes' } } },
        MERGE_PATCH,
      );
    case 'delete':
      return send('DELETE', `${path}?${dry}`);
    default:
      return send('DELETE', `${parent}${subresource}?${dry}&labelSelector=none=such`);
  }
}

function pick({ namespace }: { readonly namespace?: string } = {}) {
  return namespace === undefined ? {} : { namespace };
}

/** Parent, name and subresource: `…/services`, `web`, `/status`. */
function splitPath(path: string): RegExpExecArray | string[] {
  return /^(.*?)\/([^/]+)(\/(?:status|token))?$/.exec(path) ?? [];
}

/** What passes, of all verbs on all targets, in the form of the tables above. */
async function rightsOf(client: ApiClient): Promise<Rights> {
  const rows = Object.entries(TARGETS).map(async ([target, path]) => {
    const isSubresource = /\/(status|token)$/.test(path);
    const verbs = isSubresource ? ['get', 'create', 'update', 'patch'] : VERBS;
    const tried = await Promise.all(
      verbs.map(async (verb) => ({ verb, status: await attempt(client, verb, path) })),
    );
    const unclear = tried.find(({ status }) => status >= 300 && status !== 403 && status !== 405);
    if (unclear) throw new Error(`${unclear.verb} ${path}: ${unclear.status}`);
    const passed = tried.filter(({ status }) => status < 300);
    return [target, passed.map(({ verb }) => verb)] as const;
  });
  return Object.fromEntries((await Promise.all(rows)).filter(([, verbs]) => verbs.length > 0));
}

async function mayExactly(t: ExecutionContext, token: string, rights: Rights): Promise<void> {
  const client = clientOf(token);
  t.teardown(() => client.close());
  t.deepEqual(await rightsOf(client), rights);
}

const SERVICE_ACCOUNTS: readonly (readonly [string, Rights])[] = [
  ['tidegate-controller', CONTROLLER],
  ['tidegate-speaker', SPEAKER_OF_ANY_BOX],
  ['tidegate-forwarder', FORWARDER],
];

for (const [name, rights] of SERVICE_ACCOUNTS) {
  test(`the service account ${name} may do what it needs, and nothing else`, async (t) => {
    await mayExactly(t, await plane.tokenFor('tidegate-system', name), rights);
  });
}

const OF_EDGE_1: readonly (readonly [string, Rights])[] = [
  ['controller', CONTROLLER],
  ['speaker', SPEAKER],
  ['forwarder', FORWARDER],
];

for (const [role, rights] of OF_EDGE_1) {
  test(`the ${role} of a box outside the cluster writes for its own box alone`, async (t) => {
    await mayExactly(t, readFileSync(`${plane.folder}/edge-1/${role}.token`, 'utf8'), rights);
  });
}

for (const role of ['controller', 'speaker', 'forwarder'] as const) {
  test(`the ${role} may list and watch all that it reads`, async (t) => {
    const client = clientOf(await plane.tokenFor('tidegate-system', `tidegate-${role}`));
    t.teardown(() => client.close());
    const namespaces = { namespace: 'tidegate-system', metallbNamespace: 'metallb-system' };
    const kinds = kindsToRead({ roles: [role], node: 'edge-1', ...namespaces });
    const answers = kinds.flatMap(({ path }) => [
      client.request('GET', path),
      client.request('GET', `${path}?watch=true&timeoutSeconds=1`),
    ]);
    for (const { status, body } of await Promise.all(answers)) t.is(status, 200, body.message);
    t.is((await client.request('GET', `${CORE}/namespaces/kube-system`)).status, 200);
  });
}

test('a speaker lists and watches the Secret that is named, by its name', async (t) => {
  const client = clientOf(await plane.tokenFor('tidegate-system', 'tidegate-speaker'));
  t.teardown(() => client.close());
  const path = `${CORE}/namespaces/metallb-system/secrets`;
  const ask = async (name: string, more = '') =>
    (await client.request('GET', `${path}?fieldSelector=metadata.name%3D${name}${more}`)).status;
  t.is(await ask('tidegate-bgp-password'), 200);
  t.is(await ask('tidegate-bgp-password', '&watch=true&timeoutSeconds=1'), 200);
  t.is(await ask('other'), 403);
});

test('a box makes its own EdgeNode, by server-side apply, and no other', async (t) => {
  const client = clientOf(readFileSync(`${plane.folder}/edge-3/speaker.token`, 'utf8'));
  t.teardown(() => client.close());
  const apply = (name: string) => {
    const manifest = { apiVersion: 'tidegate.io/v1alpha1', kind: 'EdgeNode', metadata: { name } };
    const path = `${EDGE_NODES}/${name}?fieldManager=tidegate-speaker`;
    return client.request('PATCH', path, manifest, 'application/apply-patch+yaml');
  };
  t.is((await apply('edge-3')).status, 201);
  t.is((await apply('edge-3')).status, 200);
  t.is((await apply('edge-4')).status, 403);
});

test('the controller guards a Service and lets it go, and cannot change what it is', async (t) => {
  const client = clientOf(await plane.tokenFor('tidegate-system', 'tidegate-controller'));
  t.teardown(() => client.close());
  const path = `${CORE}/namespaces/default/services/guarded`;
  const spec = { ports: [{ port: 80 }], type: 'LoadBalancer' };
  await plane.apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'guarded' }, spec });
  const patch = (metadata: object, more: object = {}) =>
    client.must('PATCH', `${path}/status`, { metadata, ...more }, MERGE_PATCH);
  const finalizers = ['service.kubernetes.io/load-balancer-cleanup'];
  const annotations = { 'metallb.io/ip-allocated-from-pool': 'first' };
  const written = await patch(
    { finalizers, annotations },
    {
      status: { loadBalancer: { ingress: [{ ip: '192.0.2.1', ipMode: 'VIP' }] } },
      spec: { type: 'ClusterIP' },
    },
  );
  t.like(written.metadata, { finalizers, annotations });
  t.is(written.status.loadBalancer.ingress[0].ip, '192.0.2.1');
  t.is(written.spec.type, 'LoadBalancer', 'a change of spec is passed over');
  await plane.must('DELETE', path);
  t.is((await plane.request('GET', path)).status, 200);
  await patch({ finalizers: [] });
  t.is((await plane.request('GET', path)).status, 404);
});
