import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { parseAllDocuments } from 'yaml';
import { createApiClient } from '../../lab/kubernetes/api-client.ts';
import { findAssets } from '../../lab/kubernetes/assets.ts';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { openConnection } from '../../src/cluster/kubernetes/transport/connection.ts';
import { parseSettings } from '../../src/settings/load.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DEPLOY = `${ROOT}config/deploy`;
const MERGE_PATCH = 'application/merge-patch+json';

// biome-ignore lint/suspicious/noExplicitAny: manifests as they were written
type Manifest = any;

let plane: ControlPlane;

/** Tests follow the order in which somebody installs. */
test.before(async () => {
  plane = await startControlPlane();
});

test.after.always(() => plane?.stop());

async function build(overlay: string): Promise<readonly Manifest[]> {
  const text = await plane.kubectl(['kustomize', `${DEPLOY}/${overlay}`]);
  return parseAllDocuments(text).map((document) => document.toJS());
}

function apply(overlay: string, ...flags: string[]): Promise<string> {
  return plane.kubectl(['apply', '--server-side', '-k', `${DEPLOY}/${overlay}`, ...flags]);
}

test.serial(
  'each overlay is taken by an empty cluster in one go, and then leaves nothing to do',
  async (t) => {
    for (const overlay of ['metallb-kinds', 'overlays/edge-boxes', 'overlays/in-cluster']) {
      const first = await apply(overlay);
      const again = await apply(overlay, '--dry-run=server');
      t.is(again.split('\n').length, first.split('\n').length, overlay);
      const objects = await build(overlay);
      for (const { apiVersion, kind, metadata } of objects) {
        const path = await plane.client.pathOf({ apiVersion, kind, metadata });
        t.is(
          (await plane.must('GET', path)).metadata.generation ?? 1,
          1,
          `${kind} ${metadata.name}`,
        );
      }
    }
  },
);

test.serial('boxes outside the cluster bring no Pods into it', async (t) => {
  const kinds = new Set((await build('overlays/edge-boxes')).map(({ kind }) => kind));
  t.deepEqual([...kinds].sort(), [
    ...['ClusterRole', 'ClusterRoleBinding', 'CustomResourceDefinition', 'Namespace', 'Role'],
    ...['RoleBinding', 'ServiceAccount'],
  ]);
});

/** The Deployment and the DaemonSets. */
async function workloads(): Promise<readonly Manifest[]> {
  return (await build('overlays/in-cluster')).filter(({ spec }) => spec?.template !== undefined);
}

test.serial('Pods have the image and the settings of the overlay', async (t) => {
  const objects = await build('overlays/in-cluster');
  const settings = objects.find(({ kind }) => kind === 'ConfigMap').metadata.name;
  const all = await workloads();
  t.is(all.length, 3);
  for (const { spec } of all) {
    const { containers, volumes } = spec.template.spec;
    t.is(containers[0].image, 'registry.example/tidegate:0.1.0');
    t.is(volumes.find(({ name }: Manifest) => name === 'settings').configMap.name, settings);
  }
});

test.serial('a Pod may do on its Node what the unit of systemd may do', async (t) => {
  for (const { metadata, spec } of await workloads()) {
    const role = metadata.labels['app.kubernetes.io/component'];
    const { securityContext } = spec.template.spec.containers[0];
    const unit = readFileSync(`${ROOT}systemd/tidegate@${role}.service.d/role.conf`, 'utf8');
    const granted = /^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1]?.replaceAll('CAP_', '') ?? '';
    t.deepEqual(securityContext.capabilities.drop, ['ALL']);
    t.deepEqual(
      [...(securityContext.capabilities.add ?? [])].sort(),
      granted
        .split(' ')
        .filter((name) => name !== '')
        .sort(),
      role,
    );
    t.false(securityContext.allowPrivilegeEscalation);
    t.true(securityContext.readOnlyRootFilesystem);
  }
});

test.serial(
  'the controller is admitted where Pods are restricted, a box only with its privileges',
  async (t) => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await plane.apply({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'strict', labels },
    });
    for (const { metadata, spec } of await workloads()) {
      const role = metadata.labels['app.kubernetes.io/component'];
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: role },
        // The class of Pods that nobody evicts is known to the controllers of a real cluster.
        spec: {
          ...spec.template.spec,
          serviceAccountName: undefined,
          priorityClassName: undefined,
        },
      };
      await plane.apply({
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: 'default', namespace: 'strict' },
      });
      const path = (namespace: string) => `/api/v1/namespaces/${namespace}/pods?dryRun=All`;
      const { status, body } = await plane.request('POST', path('strict'), pod);
      t.is(status, role === 'controller' ? 201 : 403, `${role}: ${body.message}`);
      const account = { ...pod.spec, serviceAccountName: `tidegate-${role}` };
      const own = await plane.request('POST', path('tidegate-system'), { ...pod, spec: account });
      t.is(own.status, 201, `${role}: ${own.body.message}`);
    }
  },
);

test.serial('the settings of the Pods are settings', (t) => {
  // As the DaemonSets put it together.
  const text = `node: worker-1\n${readFileSync(`${DEPLOY}/settings/tidegate.yaml`, 'utf8')}`;
  const result = parseSettings(text, 'tidegate.yaml', { hostname: 'pod-1' });
  if (!result.ok) throw new Error(result.problems[0]?.message);
  t.is(result.settings.node, 'worker-1');
  t.is(result.settings.cluster.source, 'kubernetes');
  t.is(result.settings.cluster.kubernetes.kubeconfig, undefined, "the Pod's service account");
});

test.serial('probe asks the admin socket', async (t) => {
  const run = `${plane.folder}/run`;
  mkdirSync(`${run}/admin`, { recursive: true });
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/readyz' ? 503 : 200).end();
  });
  t.teardown(() => server.close());
  const script = readFileSync(`${DEPLOY}/probe`, 'utf8')
    .replaceAll('/opt/tidegate/', ROOT)
    .replaceAll('/run/tidegate', run);
  const path = `${plane.folder}/probe`;
  writeFileSync(path, script);
  const probe = (question: string) =>
    promisify(execFile)('sh', [path, 'speaker', question]).then(
      () => 'well',
      (error) => error.stderr as string,
    );
  t.regex(await probe('/healthz'), /speaker\.sock: connect ENOENT/);
  await new Promise<void>((resolve) => {
    server.listen(`${run}/admin/speaker.sock`, resolve);
  });
  t.is(await probe('/healthz'), 'well');
  t.is(await probe('/readyz'), '');
});

/** A token as kubelet gets it for a Pod. */
async function tokenOfPodOn(node: string): Promise<string> {
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: `speaker-${node}` } };
  const namespace = 'tidegate-system';
  const containers = [{ name: 'speaker', image: 'tidegate' }];
  const spec = { nodeName: node, serviceAccountName: 'tidegate-speaker', containers };
  await plane.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: node } });
  const [{ metadata }] = await plane.apply({
    ...pod,
    metadata: { ...pod.metadata, namespace },
    spec,
  });
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/tidegate-speaker/token`;
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: metadata.name, uid: metadata.uid };
  const { status } = await plane.must('POST', path, { spec: { boundObjectRef } });
  return status.token;
}

test.serial('a speaker in the cluster writes for the Node that it runs on alone', async (t) => {
  const token = await tokenOfPodOn('worker-1');
  const client = createApiClient({ url: plane.url, ca: plane.ca, token });
  t.teardown(() => client.close());
  const edgeNodes = '/apis/tidegate.io/v1alpha1/edgenodes';
  const edgeNode = (name: string) => ({
    apiVersion: 'tidegate.io/v1alpha1',
    kind: 'EdgeNode',
    metadata: { name },
  });
  const leases = '/apis/coordination.k8s.io/v1/namespaces/tidegate-system/leases';
  const lease = (name: string) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name },
  });
  const statuses = '/apis/metallb.io/v1beta1/namespaces/metallb-system/servicel2statuses';
  const l2Status = (node: string) => ({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'ServiceL2Status',
    metadata: { name: `l2-${node}`, labels: { 'metallb.io/node': node } },
  });
  const states = '/apis/metallb.io/v1beta1/namespaces/metallb-system/configurationstates';
  const state = (name: string) => ({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'ConfigurationState',
    metadata: { name },
  });
  const bgpStatuses = statuses.replace('l2', 'bgp');
  const bgpStatus = (node: string) => ({
    ...{ apiVersion: 'metallb.io/v1beta1', kind: 'ServiceBGPStatus' },
    metadata: { name: `bgp-${node}`, labels: { 'metallb.io/node': node } },
  });
  for (const manifest of [edgeNode('worker-2'), lease('edgenode-worker-2')]) {
    await plane.apply({
      ...manifest,
      metadata: { ...manifest.metadata, namespace: 'tidegate-system' },
    });
  }
  for (const manifest of [l2Status('worker-2'), bgpStatus('worker-2'), state('speaker-worker-2')]) {
    const metadata = { ...manifest.metadata, namespace: 'metallb-system' };
    await plane.apply({ ...manifest, metadata });
  }

  const own: readonly [string, string, object?][] = [
    ['POST', edgeNodes, edgeNode('worker-1')],
    ['PATCH', `${edgeNodes}/worker-1`, { metadata: { labels: { rack: 'a' } } }],
    ['PATCH', `${edgeNodes}/worker-1/status`, { status: { version: '0.1.0' } }],
    ['POST', leases, lease('edgenode-worker-1')],
    ['PATCH', `${leases}/edgenode-worker-1`, { spec: { holderIdentity: 'worker-1' } }],
    ['POST', statuses, l2Status('worker-1')],
    ['PATCH', `${statuses}/l2-worker-1/status`, { status: { node: 'worker-1' } }],
    ['DELETE', `${statuses}/l2-worker-1`],
    ['POST', bgpStatuses, bgpStatus('worker-1')],
    ['PATCH', `${bgpStatuses}/bgp-worker-1/status`, { status: { node: 'worker-1' } }],
    ['DELETE', `${bgpStatuses}/bgp-worker-1`],
    ['POST', states, state('speaker-worker-1')],
    ['PATCH', `${states}/speaker-worker-1/status`, { status: { result: 'Valid' } }],
  ];
  for (const [method, path, body] of own) {
    const { status, body: said } = await client.request(method, path, body, typeOf(method));
    t.true(status < 300, `${method} ${path}: ${said.message}`);
  }
  const foreign: readonly [string, string, object?][] = [
    ['POST', edgeNodes, edgeNode('worker-3')],
    ['PATCH', `${edgeNodes}/worker-2`, { spec: { drain: true } }],
    ['PATCH', `${edgeNodes}/worker-2/status`, { status: { version: '0.1.0' } }],
    ['POST', leases, lease('edgenode-worker-3')],
    ['PATCH', `${leases}/edgenode-worker-2`, { spec: { holderIdentity: 'worker-1' } }],
    ['POST', leases, lease('tidegate-controller')],
    ['POST', statuses, l2Status('worker-3')],
    ['PATCH', `${statuses}/l2-worker-2/status`, { status: { node: 'worker-1' } }],
    ['DELETE', `${statuses}/l2-worker-2`],
    ['POST', bgpStatuses, bgpStatus('worker-3')],
    ['PATCH', `${bgpStatuses}/bgp-worker-2/status`, { status: { node: 'worker-1' } }],
    ['DELETE', `${bgpStatuses}/bgp-worker-2`],
    ['POST', states, state('controller')],
    ['PATCH', `${states}/speaker-worker-2/status`, { status: { result: 'Valid' } }],
  ];
  for (const [method, path, body] of foreign) {
    const { status, body: said } = await client.request(method, path, body, typeOf(method));
    t.is(status, 422, `${method} ${path}`);
    t.regex(said.message, /The speaker on Node "worker-1" may not write for the box "/);
  }
});

function typeOf(method: string): string {
  return method === 'PATCH' ? MERGE_PATCH : 'application/json';
}

test.serial('renew-tokens gives each role of a box a new token by its own right', async (t) => {
  const { kubectl } = await findAssets();
  const env = { ...process.env, KUBECTL: kubectl };
  const make = `${ROOT}scripts/box-kubeconfig`;
  // A name that YAML takes for a number.
  const makeBy = (program: string) =>
    spawnSync('sh', [make, '101', 'speaker', 'forwarder'], {
      cwd: plane.folder,
      env: { ...env, KUBECTL: program, KUBECONFIG: plane.kubeconfig },
    });
  const made = makeBy(kubectl);
  t.is(made.status, 0, made.stderr.toString());
  const folder = `${plane.folder}/101`;
  const files = ['speaker.token', 'forwarder.token'].map((name) => `${folder}/${name}`);
  const tokens = () => files.map((file) => readFileSync(file, 'utf8'));
  const before = tokens();
  for (const file of files) t.is(statSync(file).mode & 0o777, 0o600);
  const broken = `${plane.folder}/broken-kubectl`;
  writeFileSync(broken, `#!/bin/sh\n[ "$1" != create ] || exit 1\nexec ${kubectl} "$@"\n`, {
    mode: 0o755,
  });
  t.is(makeBy(broken).status, 1);
  t.deepEqual(tokens(), before);
  const renewed = spawnSync('sh', [`${ROOT}bin/renew-tokens`, folder], { env });
  t.is(renewed.status, 0, renewed.stderr.toString());
  for (const [i, token] of tokens().entries()) t.not(token, before[i]);
  const connection = await openConnection({
    kubeconfig: `${folder}/speaker.kubeconfig`,
    context: undefined,
    userAgent: 'test',
    clock: realClock,
    log: recordingLog(),
  });
  t.teardown(() => connection.close());
  t.like(await connection.request({ method: 'GET', path: '/api/v1/services' }), {
    kind: 'ServiceList',
  });

  // With its ServiceAccount gone the box is locked out; the token stays where it is.
  await plane.kubectl([
    'delete',
    '-n',
    'tidegate-system',
    'sa,role,rolebinding',
    '-l',
    'tidegate.io/box=101',
  ]);
  const late = spawnSync('sh', [`${ROOT}bin/renew-tokens`, folder], { env });
  t.is(late.status, 1);
  t.regex(late.stderr.toString(), /speaker\.token was not renewed/);
  t.true(tokens().every((token) => token !== ''));
});

test.serial('box-kubeconfig refuses what is no box or no role', (t) => {
  const make = (...args: string[]) =>
    spawnSync('sh', [`${ROOT}scripts/box-kubeconfig`, ...args], {
      cwd: plane.folder,
      env: { ...process.env, KUBECTL: 'true' },
    });
  t.regex(make('Edge_1').stderr.toString(), /"Edge_1" is no name of a box/);
  t.regex(make('a'.repeat(64)).stderr.toString(), /longer than 63 characters/);
  t.regex(make('edge-1', 'router').stderr.toString(), /"router" is no role/);
  t.is(make().status, 2);
});
