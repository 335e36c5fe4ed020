import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import {
  addPod,
  buildEdgeSite,
  type EdgeSite,
  type Pod,
  type Worker,
} from '../../lab/edge-site.ts';
import type { Host } from '../../lab/host.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import { type Box, createBox, POOL, serve, tcpFrom, until } from './box.ts';
import type { TcpJob, TrafficResult } from './traffic.ts';

/**
 * The whole appliance on one box as systemd would run it, one process a role, from manifests in a
 * folder to packets at Pods: what one role decides reaches the others, and none of them is in the
 * packets' way.
 */
const ROLES = ['controller', 'forwarder', 'speaker'] as const;
const V4 = '192.0.2.100';
const V6 = '2001:db8:f::100';

let lab: Lab;
let site: EdgeSite;
let pods: readonly Pod[];
let box: Box;

test.before(async () => {
  lab = createLab();
  site = buildEdgeSite(lab);
  pods = site.workers.map((worker, index) => addPod(lab, worker, `pod-${index + 1}`, 11 + index));
  for (const { host, name } of pods) await serve(host, name, 8080);
  box = createBox(lab, site);
  box.write('pool', POOL);
  box.write('web', service('web') + slices('web', pods));
  await Promise.all(ROLES.map((role) => box.start(role)));
});

test.after.always(() => lab?.remove());

for (const vip of [V4, V6]) {
  test.serial(
    `a manifest in a folder becomes ${vip}, announced and forwarded to Pods`,
    async (t) => {
      await untilAnswers(vip);
      const result = await tcp({
        host: vip,
        port: 80,
        connections: 200,
        parallel: 10,
        bytes: 2000,
      });
      t.deepEqual(result.failures, []);
      t.deepEqual(Object.keys(result.answeredBy).sort(), ['pod-1', 'pod-2']);
    },
  );
}

for (const role of ROLES) {
  test.serial(`kill -9 of the ${role} and its restart break none of 200 connections`, async (t) => {
    const job = { port: 80, connections: 100, parallel: 100, bytes: 40_000, pieces: 40 };
    const transfers = Promise.all([V4, V6].map((host) => tcp({ ...job, host, pauseMs: 80 })));
    await sleep(800);
    await box.stop('SIGKILL', role);
    await sleep(500);
    await box.start(role);
    for (const result of await transfers) {
      t.deepEqual({ good: result.good, failures: result.failures }, { good: 100, failures: [] });
    }
    const later = await tcp({ host: V4, port: 80, connections: 50, parallel: 10, bytes: 500 });
    t.deepEqual(later.failures, []);
  });
}

test.serial('a backend that stops answering is taken out, and comes back', async (t) => {
  const [first] = pods as [Pod];
  // Refuses connections as a dead process does, and leaves the Pod in place.
  first.host.run(['nft', '-f', '-'], REFUSE);
  await untilAnsweredBy(['pod-2']);
  first.host.run(['nft', 'delete', 'table', 'inet', 'refuse']);
  await untilAnsweredBy(['pod-1', 'pod-2']);
  t.pass();
});

test.serial(
  'when every check fails, it is said loudly and traffic goes on (fail-open)',
  async (t) => {
    for (const { host } of pods) host.run(['nft', '-f', '-'], REFUSE);
    await until('it is said', async () => (await box.ask('status')).stdout.includes('fail-open'));
    const { code, stdout } = await box.ask('status');
    t.is(code, 1);
    t.regex(stdout, /default\/web.*Every health check of 192\.0\.2\.100 TCP 80 fails/s);
    for (const { host } of pods) host.run(['nft', 'delete', 'table', 'inet', 'refuse']);
    await untilAnsweredBy(['pod-1', 'pod-2']);
    await until('all is well again', async () => (await box.ask('status')).code === 0);
  },
);

test.serial(
  'NodePorts with policy Local: the node whose healthCheckNodePort says so',
  async (t) => {
    const [first, second] = site.workers.map(({ host }) => host) as [Host, Host];
    for (const host of [first, second]) {
      await serve(host, host.name, 30080);
    }
    await healthz(first, 200);
    const unwilling = await healthz(second, 503);
    box.write('nodes', site.workers.map(nodeManifest).join('---\n'));
    box.write('local', LOCAL_SERVICE);
    await until(
      'an address',
      async () => addressesIn(statusLines())['default/local'] !== undefined,
    );
    const [vip] = addressesIn(statusLines())['default/local'] as [string];
    const job = { host: vip, port: 80, connections: 40, parallel: 8, bytes: 10 };
    const answering = async () => {
      const result = await tcp(job);
      return result.failures.length > 0 ? 'failures' : Object.keys(result.answeredBy).sort().join();
    };
    await until('worker-1 answers', async () => (await answering()) === 'worker-1');
    await unwilling.stop();
    await healthz(second, 200);
    await until('both answer', async () => (await answering()) === 'worker-1,worker-2');
    t.regex(box.read('run/health.ledger'), /http 10\.10\.0\.11 32000 /);
    box.write('local', '');
  },
);

test.serial('a Service that goes takes its address off the wire at once', async (t) => {
  box.write('other', service('other') + slices('other', pods));
  const [vip] = await addressesOf('other');
  await untilAnswers(vip);
  box.write('other', '');
  await sleep(500);
  site.router.ip(`neigh flush to ${vip} dev front`);
  const asked = await site.router.finish(['arping', '-c', '2', '-w', '1', '-I', 'front', vip]);
  t.not(asked.code, 0, asked.stdout);
});

test.serial(
  'addresses stay over a restart of everything, also while a manifest is broken',
  async (t) => {
    const before = statusLines();
    for (const role of ROLES) await box.stop('SIGKILL', role);
    box.write('web', `${service('web')}  broken: [`);
    await Promise.all(ROLES.map((role) => box.start(role)));
    const result = await tcp({ host: V4, port: 80, connections: 50, parallel: 10, bytes: 500 });
    t.deepEqual(result.failures, []);
    t.deepEqual(addressesIn(statusLines()), addressesIn(before));
    t.regex(box.output('controller'), /web\.yaml:\d+:\d+/);
    box.write('web', service('web') + slices('web', pods));
  },
);

/** kube-proxy's answer on healthCheckNodePort: 200 with a local endpoint, 503 without. */
async function healthz(host: Host, status: 200 | 503): Promise<LabProcess> {
  const code = `require('node:http').createServer((_, response) => {
    response.writeHead(${status}).end();
  }).listen(32000, '::', () => console.log('UP'))`;
  const server = host.start([process.execPath, '-e', code]);
  await server.prints(/UP/);
  return server;
}

function nodeManifest({ host, addresses }: Worker): string {
  const listed = addresses.map((address) => `{ type: InternalIP, address: "${address}" }`);
  return `apiVersion: v1
kind: Node
metadata: { name: ${host.name} }
status:
  addresses: [${listed.join(', ')}]
  conditions: [{ type: Ready, status: "True" }]
`;
}

const LOCAL_SERVICE = `apiVersion: v1
kind: Service
metadata: { name: local, namespace: default, annotations: { tidegate.io/target: node } }
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  healthCheckNodePort: 32000
  ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: local
  namespace: default
  labels: { kubernetes.io/service-name: local }
addressType: IPv4
ports: [{ name: "", port: 8080 }]
endpoints:
- { addresses: ["10.244.1.11"], nodeName: worker-1 }
- { addresses: ["10.244.2.12"], nodeName: worker-2 }
`;

const REFUSE = `table inet refuse {
  chain input { type filter hook input priority 0; tcp dport 8080 reject with tcp reset; }
}`;

function statusLines(): string[] {
  return box.read('state/status.ledger').trim().split('\n');
}

/** Addresses by Service, as the ledger says last. */
function addressesIn(lines: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    lines.map((line) => JSON.parse(line)).map(({ k, v }) => [k, v?.addresses]),
  );
}

async function addressesOf(service: string): Promise<[string, ...string[]]> {
  const held = () => addressesIn(statusLines())[`default/${service}`];
  await until(`${service} has an address`, async () => held() !== undefined);
  return held() as [string, ...string[]];
}

/** Until connections get through; announcing and forwarding follow the manifest by some milliseconds. */
async function untilAnswers(vip: string): Promise<void> {
  const job = { host: vip, port: 80, connections: 1, parallel: 1, bytes: 10 };
  await until(`${vip} answers`, async () => (await tcp(job)).good === 1);
}

async function untilAnsweredBy(names: readonly string[]): Promise<void> {
  await until(`${names.join(' and ')} answer`, async () => {
    const result = await tcp({ host: V4, port: 80, connections: 40, parallel: 8, bytes: 10 });
    const answered = Object.keys(result.answeredBy).sort();
    return result.failures.length === 0 && answered.join() === names.join();
  });
}

function tcp(job: TcpJob): Promise<TrafficResult> {
  return tcpFrom(site.client, job);
}

function service(name: string): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec:
  type: LoadBalancer
  ipFamilyPolicy: RequireDualStack
  ports: [{ port: 80, targetPort: 8080 }]
`;
}

function slices(name: string, of: readonly Pod[]): string {
  const slice = (family: 'IPv4' | 'IPv6', index: 0 | 1) => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}-${family.toLowerCase()}
  namespace: default
  labels: { kubernetes.io/service-name: ${name} }
addressType: ${family}
ports: [{ name: "", port: 8080 }]
endpoints:
${of.map((pod) => `- { addresses: ["${pod.addresses[index]}"] }`).join('\n')}
`;
  return slice('IPv4', 0) + slice('IPv6', 1);
}
