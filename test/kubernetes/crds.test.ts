import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { parse } from 'yaml';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { decodeObject, isKind } from '../../src/cluster/decode/cluster-object.ts';
import { METALLB_KINDS } from './metallb/metallb-fields.ts';
import { BROKEN, type Sample, VALID } from './metallb/metallb-manifests.ts';

const CRDS = fileURLToPath(new URL('../../config/crds', import.meta.url));
const NAMESPACE = 'metallb-system';
const MERGE_PATCH = 'application/merge-patch+json';

// biome-ignore lint/suspicious/noExplicitAny: a definition as it was written
type Definition = any;

const files = readdirSync(CRDS, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.io_\w+\.yaml$/.test(name))
  .map((name) => readFileSync(`${CRDS}/${name}`, 'utf8'));
const definitions: readonly Definition[] = files.map((text) => parse(text));

let plane: ControlPlane;

test.before(async () => {
  plane = await startControlPlane();
  for (const text of files) await plane.apply(text);
  await plane.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
});

test.after.always(() => plane?.stop());

function manifestOf({ kind, name, spec }: Sample) {
  const version = METALLB_KINDS[kind]?.version;
  return {
    apiVersion: `metallb.io/${version}`,
    kind,
    metadata: { name, namespace: NAMESPACE },
    spec,
  };
}

function folderOf(kind: string): string {
  const { version, plural } = METALLB_KINDS[kind] ?? {};
  return `/apis/metallb.io/${version}/namespaces/${NAMESPACE}/${plural}`;
}

/** Whether the server would take it; nothing is stored. */
function offer(sample: Sample) {
  return plane.request('POST', `${folderOf(sample.kind)}?dryRun=All`, manifestOf(sample));
}

test('manifests that MetalLB takes are taken', async (t) => {
  for (const sample of VALID) {
    const { status, body } = await offer(sample);
    t.is(status, 201, `${sample.kind} ${sample.name}: ${body.message}`);
  }
});

test('manifests that MetalLB refuses are refused, and the field is named', async (t) => {
  for (const sample of BROKEN) {
    const { status, body } = await offer(sample);
    t.is(status, 422, `${sample.kind} ${sample.name}: ${body.message}`);
    t.regex(body.message, sample.says, `${sample.kind} ${sample.name}`);
  }
});

test('what the definitions take or refuse, Tidegate itself takes or refuses', (t) => {
  const isRead = ({ kind }: Sample) => isKind(kind);
  t.true([...VALID, ...BROKEN].every(isRead));
  const isReadable = (sample: Sample) =>
    isKind(sample.kind) && decodeObject(sample.kind, manifestOf(sample)).value !== undefined;
  t.deepEqual(
    VALID.filter((sample) => !isReadable(sample)),
    [],
  );
  // Spaces, and names that routers know, do no harm where Tidegate reads manifests itself.
  t.deepEqual(
    BROKEN.filter(isReadable).map(({ name }) => name),
    ['prefix-with-space', 'not-a-community'],
  );
});

test("the definitions have MetalLB's kinds, versions and fields", (t) => {
  const ours = definitions.filter(({ spec }) => spec.group === 'metallb.io');
  const described = ours.map(({ spec }) => {
    const [version] = spec.versions;
    const { kind, listKind, plural, singular } = spec.names;
    t.is(spec.scope, 'Namespaced');
    t.is(spec.versions.length, 1);
    t.deepEqual(version.subresources, { status: {} }, kind);
    t.is(listKind, `${kind}List`);
    t.is(singular, kind.toLowerCase());
    const fields = Object.fromEntries(fieldsOf(version.schema.openAPIV3Schema, ''));
    return [kind, { version: version.name, plural, fields }];
  });
  t.deepEqual(Object.fromEntries(described), METALLB_KINDS);
});

/** Paths of all fields with their types, in the words of `METALLB_KINDS`. */
function fieldsOf(schema: Definition, path: string): [string, string][] {
  if (schema.type === 'array') return fieldsOf(schema.items, `${path}[]`);
  if (schema.type !== 'object') {
    const text = schema.default === undefined ? '' : ` = ${schema.default}`;
    return [[path, `${schema.type}${text}`]];
  }
  const names = Object.keys(schema.properties ?? {});
  if (names.length === 0) return [[path, 'object']];
  if (names.includes('matchExpressions')) return [[path, 'LabelSelector']];
  const isOurs = (name: string) => path !== '' || name === 'spec' || name === 'status';
  return names
    .filter(isOurs)
    .flatMap((name) => fieldsOf(schema.properties[name], path === '' ? name : `${path}.${name}`));
}

test('what is left out gets its default', async (t) => {
  const pool = await offer({
    kind: 'IPAddressPool',
    name: 'a',
    spec: { addresses: ['10.0.0.0/24'] },
  });
  t.like(pool.body.spec, { autoAssign: true, avoidBuggyIPs: false });
  const advertisement = await offer({ kind: 'BGPAdvertisement', name: 'a', spec: {} });
  t.deepEqual(advertisement.body.spec, { aggregationLength: 32, aggregationLengthV6: 128 });
  const peerSpec = { myASN: 1, peerASN: 2, peerAddress: '10.0.0.1' };
  const peer = await offer({ kind: 'BGPPeer', name: 'a', spec: peerSpec });
  t.like(peer.body.spec, { peerPort: 179, disableMP: false, dualStackAddressFamily: false });
});

test('graceful restart of a peer stays as it was created', async (t) => {
  const spec = { myASN: 1, peerASN: 2, peerAddress: '10.0.0.1', enableGracefulRestart: true };
  await plane.apply(manifestOf({ kind: 'BGPPeer', name: 'graceful', spec }));
  const path = `${folderOf('BGPPeer')}/graceful`;
  const change = { spec: { enableGracefulRestart: false } };
  const { status, body } = await plane.request('PATCH', path, change, MERGE_PATCH);
  t.is(status, 422);
  t.regex(body.message, /spec\.enableGracefulRestart.*Cannot be changed/);
});

test('a status of an announcement stays with its box and Service', async (t) => {
  for (const kind of ['ServiceL2Status', 'ServiceBGPStatus']) {
    await plane.apply(manifestOf({ kind, name: 'a', spec: {} }));
    const path = `${folderOf(kind)}/a/status`;
    const status = { node: 'edge-1', serviceName: 'web', serviceNamespace: 'default' };
    await plane.must('PATCH', path, { status }, MERGE_PATCH);
    for (const field of Object.keys(status)) {
      const change = { status: { [field]: 'other' } };
      const answer = await plane.request('PATCH', path, change, MERGE_PATCH);
      t.is(answer.status, 422, `${kind} ${field}`);
      t.true(answer.body.message.includes(`status.${field}: Invalid value`), answer.body.message);
    }
  }
});

const EDGE_NODES = '/apis/tidegate.io/v1alpha1/edgenodes';

function edgeNode(name: string, spec?: object) {
  return {
    apiVersion: 'tidegate.io/v1alpha1',
    kind: 'EdgeNode',
    metadata: { name },
    ...(spec === undefined ? {} : { spec }),
  };
}

const edgeStatus = {
  heartbeatLease: 'edgenode-edge-1',
  version: '0.1.0',
  roles: ['speaker', 'forwarder'],
  addresses: ['10.0.0.2', 'fc00::2'],
  interfaces: [{ name: 'eth0', mac: '02:00:5e:00:00:01', addresses: ['10.0.0.2'] }],
  capacity: { flows: 1048576, servers: 65536, backends: 262144 },
  vips: { announced: 3, serving: 5, total: 8 },
  withheld: [
    { address: '192.0.2.7', service: 'default/web', reason: 'NotOwner', message: 'edge-2 has it' },
  ],
  observedGeneration: 1,
  conditions: [
    {
      type: 'Ready',
      status: 'True',
      reason: 'AtWork',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    },
    {
      type: 'Draining',
      status: 'False',
      reason: 'NotAsked',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    },
  ],
};

test('kubectl shows of a box what its operator asks', async (t) => {
  await plane.must('POST', EDGE_NODES, { ...edgeNode('edge-1'), status: edgeStatus });
  const made = await plane.must('GET', `${EDGE_NODES}/edge-1`);
  t.deepEqual(made.spec, { drain: false }, 'nobody drains a box that has just come');
  t.is(made.status, undefined, 'the status is written on its own');
  await plane.must('PATCH', `${EDGE_NODES}/edge-1/status`, { status: edgeStatus }, MERGE_PATCH);
  t.deepEqual((await plane.must('GET', `${EDGE_NODES}/edge-1`)).status, edgeStatus);

  const [head, row] = (await plane.kubectl(['get', 'edge', '-o', 'wide'])).trim().split('\n');
  const cells = (line: string | undefined) => line?.split(/ {2,}/) ?? [];
  const shown = Object.fromEntries(cells(head).map((name, i) => [name, cells(row)[i]]));
  t.like(shown, {
    NAME: 'edge-1',
    READY: 'True',
    ROLES: '["speaker","forwarder"]',
    VIPS: '3',
    DRAINING: 'False',
    VERSION: '0.1.0',
    SERVING: '5',
    REASON: 'AtWork',
  });
});

test('an EdgeNode that cannot be meant is refused', async (t) => {
  const refused: [string, object, RegExp][] = [
    ['drain is a word', edgeNode('a', { drain: 'yes' }), /spec\.drain.*boolean/],
    ['name of 64 characters', edgeNode('a'.repeat(64)), /at most 63 characters/],
  ];
  for (const [what, manifest, says] of refused) {
    const { status, body } = await plane.request('POST', `${EDGE_NODES}?dryRun=All`, manifest);
    t.is(status, 422, what);
    t.regex(body.message, says, what);
  }
  await plane.must('POST', EDGE_NODES, edgeNode('edge-2'));
  const roles = { status: { roles: ['router'] } };
  const answer = await plane.request('PATCH', `${EDGE_NODES}/edge-2/status`, roles, MERGE_PATCH);
  t.is(answer.status, 422);
  t.regex(answer.body.message, /status\.roles\[0\]: Unsupported value/);
});
