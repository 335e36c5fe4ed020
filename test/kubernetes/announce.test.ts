import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { Host } from '../../lab/host.ts';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import { openLedger } from '../../src/system/ledger.ts';
import { encodeServing, READY_KEY } from '../../src/system/reports.ts';
import { address } from '../support/objects.ts';

/** Speakers on two boxes and a neighbour on one wire, with a real API server; forwarders as reported. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TIDEGATE = `${ROOT}/bin/tidegate`;
const EDGE_NODES = '/apis/tidegate.io/v1alpha1/edgenodes';
const L2_STATUSES = '/apis/metallb.io/v1beta1/namespaces/metallb-system/servicel2statuses';
const MERGE_PATCH = 'application/merge-patch+json';
const SPEAKER = {
  serviceAccount: { namespace: 'tidegate-system', name: 'tidegate-speaker' },
} as const;
const SERVICES = ['a', 'b', 'c', 'd', 'e', 'f'];
const vipOf = (service: string) => `192.0.2.${100 + SERVICES.indexOf(service)}`;
const VIPS = SERVICES.map(vipOf);
const MACS = { 'edge-1': '02:00:00:00:00:e1', 'edge-2': '02:00:00:00:00:e2' } as const;
type BoxName = keyof typeof MACS;

interface Box {
  readonly host: Host;
  start(): Promise<LabProcess>;
  /** What the forwarder reports of an address. */
  report(vips: readonly string[], servable: boolean): Promise<void>;
  ask(...words: readonly string[]): Promise<string>;
}

let lab: Lab;
let neighbour: Host;
let plane: ControlPlane;
let boxes: Readonly<Record<BoxName, Box>>;

test.before(async () => {
  lab = createLab();
  neighbour = lab.host('neighbour');
  const hosts = Object.entries(MACS).map(([name, mac], index) => {
    const host = lab.host(name, 'forwards');
    const own = { host, name: 'front', addresses: [`192.0.2.${2 + index}/24`] };
    lab.cable(own, { host: neighbour, name: `to${index}`, addresses: [] });
    host.ip(`link set front address ${mac}`);
    return host;
  });
  neighbour.ip(
    'link add lan type bridge',
    ...hosts.map((_, index) => `link set to${index} master lan`),
    'addr add 192.0.2.1/24 dev lan',
    'link set lan up',
  );
  plane = await startControlPlane({ on: { host: neighbour, address: '192.0.2.1' } });
  await prepareCluster();
  const kubeconfig = await plane.kubeconfigFor(SPEAKER);
  const [first, second] = hosts as [Host, Host];
  boxes = {
    'edge-1': await createBox(first, 'edge-1', kubeconfig),
    'edge-2': await createBox(second, 'edge-2', kubeconfig),
  };
});

test.after.always(async () => {
  await plane?.stop();
  lab?.remove();
});

async function prepareCluster() {
  for (const name of ['tidegate-system', 'metallb-system'])
    await plane.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  const crds = readdirSync(`${ROOT}/config/crds`, { recursive: true, encoding: 'utf8' });
  for (const name of crds.filter((file) => /\.io_\w+\.yaml$/.test(file)))
    await plane.apply(readFileSync(`${ROOT}/config/crds/${name}`, 'utf8'));
  await plane.apply(readFileSync(`${ROOT}/config/deploy/rbac/speaker/rbac.yaml`, 'utf8'));
  const metallb = (kind: string, name: string, spec: object) =>
    plane.apply({
      apiVersion: 'metallb.io/v1beta1',
      kind,
      metadata: { name, namespace: 'metallb-system' },
      spec,
    });
  await metallb('IPAddressPool', 'main', { addresses: ['192.0.2.100-192.0.2.120'] });
  await metallb('L2Advertisement', 'lan', { ipAddressPools: ['main'], interfaces: ['front'] });
  for (const name of SERVICES) {
    const spec = { type: 'LoadBalancer', selector: { app: name }, ports: [{ port: 80 }] };
    const metadata = { name, namespace: 'default' };
    await plane.apply({ apiVersion: 'v1', kind: 'Service', metadata, spec });
    const status = { loadBalancer: { ingress: [{ ip: vipOf(name) }] } };
    const path = `/api/v1/namespaces/default/services/${name}/status`;
    await plane.must('PATCH', path, { status }, MERGE_PATCH);
  }
}

async function createBox(host: Host, name: BoxName, kubeconfig: string): Promise<Box> {
  const folder = `${lab.directory}/${name}`;
  const settings = `${folder}/tidegate.yaml`;
  mkdirSync(folder);
  writeFileSync(
    settings,
    `node: ${name}
labels: [rack=${name}]
stateDir: ${folder}/state
runDir: ${folder}/run
cluster:
  source: kubernetes
  kubernetes:
    kubeconfig: ${kubeconfig}
    heartbeat: { interval: 200ms, lifetime: 2s }
speaker: { interfaces: [front] }
`,
  );
  const forwarder = await openLedger(`${folder}/run/forwarder.ledger`, { durable: false });
  const serving = (vip: string, servable: boolean) =>
    encodeServing({
      address: address(vip),
      service: `default/${SERVICES[VIPS.indexOf(vip)]}`,
      servable,
      usableBackends: servable ? 1 : 0,
      backends: 1,
      reason: servable ? '' : 'backendsUnreachable',
      revision: 1,
    });
  const report: Box['report'] = (vips, servable) =>
    forwarder.put(new Map(vips.map((vip) => [vip, serving(vip, servable)])));
  await forwarder.put(new Map([[READY_KEY, { ready: true, atMs: 1 }]]));
  await report(VIPS, true);
  return {
    host,
    report,
    async start() {
      const command = [TIDEGATE, 'run', '--config', settings, '--roles', 'speaker'];
      const speaker = host.start(command);
      await speaker.prints(/"Running"/);
      return speaker;
    },
    ask: async (...words) => (await host.finish([TIDEGATE, ...words, '--config', settings])).stdout,
  };
}

/** As MetalLB's speakers choose. */
function chosenFor(vip: string): BoxName {
  const hash = (name: string) => createHash('sha256').update(`${name}#${vip}`).digest('hex');
  return hash('edge-1') < hash('edge-2') ? 'edge-1' : 'edge-2';
}

/** Who answers ARP for an address: names of boxes. */
async function answersFor(vip: string): Promise<BoxName[]> {
  const { stdout } = await neighbour.finish(['arping', '-b', '-I', 'lan', '-c1', '-w1', vip]);
  const names = Object.keys(MACS) as BoxName[];
  return names.filter((name) => stdout.toLowerCase().includes(MACS[name]));
}

const owners = () => Promise.all(VIPS.map(answersFor));

async function untilOwned(expected: (vip: string) => BoxName): Promise<string> {
  const wanted = JSON.stringify(VIPS.map((vip) => [expected(vip)]));
  let found = '';
  for (let tries = 0; tries < 20 && found !== wanted; tries++) {
    if (tries > 0) await sleep(200);
    found = JSON.stringify(await owners());
  }
  return found === wanted ? 'as expected' : `${found} and not ${wanted}`;
}

async function statusesBy(box: BoxName): Promise<string[]> {
  const { items } = await plane.must('GET', L2_STATUSES);
  return items
    .filter((item: { status?: { node: string } }) => item.status?.node === box)
    .map((item: { status: { serviceName: string } }) => item.status.serviceName)
    .sort();
}

test.serial(
  'of two boxes each address is announced by the one that MetalLB would choose',
  async (t) => {
    const { 'edge-1': first, 'edge-2': second } = boxes;
    let speaker = await second.start();
    t.is(await untilOwned(() => 'edge-2'), 'as expected', 'as the only one');
    await first.start();
    t.is(await untilOwned(chosenFor), 'as expected');
    t.is(new Set(VIPS.map(chosenFor)).size, 2, 'both have some');
    for (const box of ['edge-1', 'edge-2'] as const) {
      const own = SERVICES.filter((service) => chosenFor(vipOf(service)) === box);
      for (let tries = 0; tries < 20 && (await statusesBy(box)).length !== own.length; tries++)
        await sleep(100);
      t.deepEqual(await statusesBy(box), own);
    }
    const away = SERVICES.find((service) => chosenFor(vipOf(service)) === 'edge-2') ?? '';
    const explained = await first.ask('explain', 'service', `default/${away}`);
    t.regex(explained, new RegExp(`Announced +${vipOf(away)} by the box "edge-2"`));

    await speaker.stop('SIGKILL');
    t.is(await untilOwned(() => 'edge-1'), 'as expected', 'the other one died');
    speaker = await second.start();
    t.is(await untilOwned(chosenFor), 'as expected', 'it came back');
    await speaker.stop();
    t.is(await untilOwned(() => 'edge-1'), 'as expected', 'it was stopped');
    await second.start();
    t.is(await untilOwned(chosenFor), 'as expected');
  },
);

test.serial(
  'a box that is drained, or cannot serve an address, leaves it to the other',
  async (t) => {
    const drain = (is: boolean) =>
      plane.must('PATCH', `${EDGE_NODES}/edge-2`, { spec: { drain: is } }, MERGE_PATCH);
    await drain(true);
    t.is(await untilOwned(() => 'edge-1'), 'as expected');
    await drain(false);
    t.is(await untilOwned(chosenFor), 'as expected');
    const [lost = ''] = VIPS.filter((vip) => chosenFor(vip) === 'edge-1');
    await boxes['edge-1'].report([lost], false);
    t.is(await untilOwned((vip) => (vip === lost ? 'edge-2' : chosenFor(vip))), 'as expected');
    await boxes['edge-1'].report([lost], true);
    t.is(await untilOwned(chosenFor), 'as expected');
  },
);

test.serial('advertisements choose boxes by their labels', async (t) => {
  const path = '/apis/metallb.io/v1beta1/namespaces/metallb-system/l2advertisements/lan';
  const only = (rack: string) =>
    plane.must(
      'PATCH',
      path,
      { spec: { nodeSelectors: [{ matchLabels: { rack } }] } },
      MERGE_PATCH,
    );
  await only('edge-2');
  t.is(await untilOwned(() => 'edge-2'), 'as expected');
  await only('edge-1');
  t.is(await untilOwned(() => 'edge-1'), 'as expected');
  const status = await boxes['edge-2'].ask('status');
  t.regex(status, /192\.0\.2\.100 .*by edge-1 .*ok/);
});
