import { readFileSync } from 'node:fs';
import test from 'ava';
import { parseAllDocuments } from 'yaml';
import { type KindToRead, kindsToRead } from '../../../../src/cluster/kubernetes/reading/kinds.ts';
import type { RoleName } from '../../../../src/domain/role.ts';

const PLACES = { node: 'edge-1', namespace: 'tidegate-system', metallbNamespace: 'metallb-system' };
const kindsOf = (...roles: RoleName[]) => kindsToRead({ ...PLACES, roles });

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** What config/deploy lets a role list and watch. */
function readable(role: RoleName): Set<string> {
  const file = new URL(`../../../../config/deploy/rbac/${role}/rbac.yaml`, import.meta.url);
  const rules = parseAllDocuments(readFileSync(file, 'utf8')).flatMap(
    (document) => (document.toJS()?.rules ?? []) as Rule[],
  );
  return new Set(
    rules
      .filter(({ verbs }) => verbs.includes('list') && verbs.includes('watch'))
      .flatMap(({ apiGroups, resources }) =>
        apiGroups.flatMap((group) => resources.map((resource) => `${group} ${resource}`)),
      ),
  );
}

function resourceOf({ path }: KindToRead): string {
  const [, root, group = ''] = path.split('/');
  return `${root === 'api' ? '' : group} ${path.split('/').at(-1)}`;
}

for (const role of ['controller', 'speaker', 'forwarder'] as const) {
  test(`the ${role} may read all that it reads`, (t) => {
    const allowed = readable(role);
    const denied = kindsOf(role)
      .map(resourceOf)
      .filter((resource) => !allowed.has(resource));
    t.deepEqual(denied, []);
  });
}

test('several roles in one process read each kind once', (t) => {
  const kinds = kindsOf('controller', 'speaker', 'forwarder').map(({ kind }) => kind);
  t.is(new Set(kinds).size, kinds.length);
  for (const role of ['controller', 'speaker', 'forwarder'] as const) {
    for (const { kind } of kindsOf(role)) t.true(kinds.includes(kind), kind);
  }
});

test('nobody reads Secrets, and Pods are read only as far as they have a weight', (t) => {
  const kinds = kindsOf('controller', 'speaker', 'forwarder');
  t.false(kinds.some(({ kind }) => kind === 'Secret'));
  t.is(kinds.find(({ kind }) => kind === 'Pod')?.labelSelector, 'tidegate.io/weight');
});

test('a forwarder alone looks at its own box, others at all', (t) => {
  const selectorOf = (...roles: RoleName[]) =>
    kindsOf(...roles).find(({ kind }) => kind === 'EdgeNode')?.fieldSelector;
  t.is(selectorOf('forwarder'), 'metadata.name=edge-1');
  t.is(selectorOf('forwarder', 'speaker'), undefined);
});

test('MetalLB’s kinds are read where MetalLB has them', (t) => {
  const kinds = kindsToRead({ ...PLACES, roles: ['speaker'], metallbNamespace: 'lb' });
  t.is(
    kinds.find(({ kind }) => kind === 'IPAddressPool')?.path,
    '/apis/metallb.io/v1beta1/namespaces/lb/ipaddresspools',
  );
});

test('what is announced is read of all boxes by the controller, and of its own by a speaker', (t) => {
  for (const kind of ['ServiceL2Status', 'ServiceBGPStatus'] as const) {
    const selectorOf = (...roles: RoleName[]) =>
      kindsOf(...roles).find((one) => one.kind === kind)?.labelSelector;
    t.is(selectorOf('speaker'), 'metallb.io/node=edge-1');
    t.is(selectorOf('controller', 'speaker'), undefined);
  }
});

test('BGP’s kinds are for speakers, and are missed by nothing else', (t) => {
  const bgp = ['BGPPeer', 'BGPAdvertisement', 'BFDProfile', 'Community'];
  const read = kindsOf('speaker').filter(({ kind }) => bgp.includes(kind));
  t.is(read.length, bgp.length);
  t.true(read.every(({ isOptional }) => isOptional));
  t.is(read[0]?.path, '/apis/metallb.io/v1beta2/namespaces/metallb-system/bgppeers');
  t.false(kindsOf('controller', 'forwarder').some(({ kind }) => bgp.includes(kind)));
});
