import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { isForeignWrite } from '../../../lab/kubernetes/audit-log.ts';
import { createServices } from '../../../lab/kubernetes/bulk.ts';
import { startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import {
  endpointSliceManifest,
  nodeManifest,
  serviceManifest,
} from '../../../lab/kubernetes/manifests.ts';
import { createLab } from '../../../lab/lab.ts';

const MODULE = fileURLToPath(new URL('../../../lab/kubernetes/control-plane.ts', import.meta.url));
const SERVICES = '/api/v1/namespaces/default/services';
const ENDED_WAIT_MS = 5000;

const plane = await startControlPlane();
test.after.always(() => plane.stop());

/** Command lines of running processes that mention a folder. */
function programsIn(folder: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return /^\d+$/.test(pid) && line.includes(folder) ? [line.replaceAll('\0', ' ')] : [];
    } catch {
      return [];
    }
  });
}

test.serial('apply() makes objects that kubectl of the same version shows', async (t) => {
  await plane.apply(serviceManifest('web', { spec: { ipFamilyPolicy: 'RequireDualStack' } }));
  await plane.apply(endpointSliceManifest('web', ['10.128.0.1', '10.128.0.2']));
  await plane.apply(nodeManifest('n1', ['192.0.2.1']));
  await plane.client.applyStatus(nodeManifest('n1', ['192.0.2.1']));
  t.regex(
    await plane.kubectl(['version']),
    /Client Version: v1\.34\.4[\s\S]*Server Version: v1\.34\.4/,
  );
  const service = JSON.parse(await plane.kubectl(['get', 'service', 'web', '-o', 'json']));
  t.is(service.spec.clusterIPs.length, 2);
  t.regex(await plane.kubectl(['get', 'nodes', '-o', 'wide']), /n1 +Ready .* 192\.0\.2\.1 /);
  t.regex(
    await plane.kubectl(['get', 'endpointslices']),
    /web-1 +IPv4 +8080 +10\.128\.0\.1,10\.128/,
  );
  await t.throwsAsync(plane.kubectl(['get', 'nothing']), { message: /exit code 1.*"nothing"/s });
});

test.serial('apply() takes a definition and objects of it in one text', async (t) => {
  const [, gate] = await plane.apply(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gates.example.org}
spec:
  group: example.org
  names: {kind: Gate, plural: gates}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties: {spec: {type: object, properties: {open: {type: boolean}}}}
---
apiVersion: example.org/v1
kind: Gate
metadata: {name: a}
spec: {open: true}
`);
  t.true(gate.spec.open);
  const wrong = { ...gate, metadata: { name: 'b' }, spec: { open: 'maybe' } };
  await t.throwsAsync(plane.apply(wrong), { message: /spec\.open: expected boolean/ });
});

test.serial('RBAC decides, for certificates and for service accounts', async (t) => {
  await plane.apply(`
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules: [{apiGroups: [''], resources: [services], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
  - {kind: ServiceAccount, name: reader, namespace: default}
  - {kind: Group, apiGroup: rbac.authorization.k8s.io, name: readers}
`);
  const account = { namespace: 'default', name: 'reader' };
  const users = [{ serviceAccount: account }, { name: 'jo', groups: ['others', 'readers'] }];
  for (const user of users) {
    const kubeconfig = await plane.kubeconfigFor(user);
    const as = (...args: readonly string[]) => plane.kubectl(['--kubeconfig', kubeconfig, ...args]);
    t.regex(await as('get', 'services'), /kubernetes/);
    await t.throwsAsync(as('delete', 'service', 'kubernetes'), { message: /forbidden/ });
  }
});

test.serial('audit() tells who wrote what, and leaves the servers themselves out', async (t) => {
  await plane.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: writer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: writer}]
`);
  const kubeconfig = await plane.kubeconfigFor({ name: 'writer' });
  const file = JSON.stringify(serviceManifest('written'));
  await plane.kubectl(['--kubeconfig', kubeconfig, 'create', '-f', '-'], file);
  const writes = (await plane.audit(isForeignWrite)).map((event) => {
    const { verb, resource, namespace, name, user, code, stage } = event;
    return { verb, resource, namespace, name, user, code, stage };
  });
  const head = { verb: 'create', resource: 'services', namespace: 'default', name: 'written' };
  t.deepEqual(writes, [{ ...head, user: 'writer', code: 201, stage: 'ResponseComplete' }]);
});

test.serial('createServices() makes Services with their endpoints', async (t) => {
  await createServices(plane, { count: 30, endpoints: 3 });
  const slices = await plane.must('GET', '/apis/discovery.k8s.io/v1/endpointslices');
  const bulk = slices.items.filter((it: { metadata: { name: string } }) =>
    it.metadata.name.startsWith('bulk-'),
  );
  t.is(bulk.length, 30);
  t.is(bulk[29].endpoints.length, 3);
});

test.serial('servers end and start again where they were, and back in time', async (t) => {
  const snapshot = await plane.snapshotEtcd();
  await plane.apply(serviceManifest('afterwards'));
  const { resourceVersion } = (await plane.must('GET', SERVICES)).metadata;
  await plane.restartApiServer();
  t.is((await plane.request('GET', `${SERVICES}/afterwards`)).status, 200);
  await plane.killEtcd();
  await plane.startEtcd();
  t.is((await plane.request('GET', `${SERVICES}/afterwards`)).status, 200);
  await plane.stopApiServer('killed');
  await t.throwsAsync(plane.request('GET', SERVICES), { code: 'ECONNREFUSED' });
  await plane.restoreEtcd(snapshot);
  t.is((await plane.request('GET', `${SERVICES}/afterwards`)).status, 404);
  const { metadata } = await plane.must('GET', SERVICES);
  t.true(Number(metadata.resourceVersion) < Number(resourceVersion));
});

test.serial('secondApiServer() serves the same cluster', async (t) => {
  const second = await plane.secondApiServer();
  t.teardown(second.stop);
  t.not(second.url, plane.url);
  await second.client.apply(serviceManifest('by-the-second'));
  t.is((await plane.request('GET', `${SERVICES}/by-the-second`)).status, 200);
  const listed = await plane.kubectl(['--kubeconfig', second.kubeconfig, 'get', 'services']);
  t.regex(listed, /by-the-second/);
});

test.serial('on a host of the lab other hosts reach it through their cables', async (t) => {
  const lab = createLab();
  t.teardown(lab.remove);
  const [master, box] = [lab.host('master'), lab.host('box')];
  lab.cable({ host: master, name: 'eth0' }, { host: box, name: 'eth0' });
  master.ip('addr add 192.0.2.1/24 dev eth0');
  box.ip('addr add 192.0.2.2/24 dev eth0');
  const inside = await startControlPlane({ on: { host: master, address: '192.0.2.1' } });
  t.teardown(inside.stop);
  t.is(inside.url, 'https://192.0.2.1:6443');
  t.is((await inside.request('GET', SERVICES)).status, 200);
  t.regex(await inside.kubectl(['get', 'namespaces']), /default/);
  const ca = ['--cacert', inside.credentials.authority.certificate];
  const version = await box.finish(['curl', '-sS', ...ca, `${inside.url}/version`]);
  t.regex(version.stdout, /v1\.34\.4/, version.stderr);
});

test.serial('nothing stays when it is stopped, and when its process is killed', async (t) => {
  const code = `
    import { startControlPlane } from '${MODULE}';
    console.log((await startControlPlane()).folder);
  `;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', code]);
  const [printed] = await once(child.stdout.setEncoding('utf8'), 'data');
  const folder = printed.trim();
  t.is(programsIn(folder).length, 2);
  child.kill('SIGKILL');
  await once(child, 'exit');
  for (let waited = 0; programsIn(folder).length > 0 && waited < ENDED_WAIT_MS; waited += 20) {
    await sleep(20);
  }
  t.deepEqual(programsIn(folder), []);
  t.true(existsSync(folder));

  const next = await startControlPlane();
  t.false(existsSync(folder));
  t.is(programsIn(next.folder).length, 2);
  await next.stop();
  t.deepEqual(programsIn(next.folder), []);
  t.false(existsSync(next.folder));
});
