import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { buildEdgeSite, type EdgeSite, type Worker } from '../../lab/edge-site.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import { type Box, createBox, POOL, serve, tcpFrom, until } from './box.ts';
import type { TrafficResult } from './traffic.ts';

/** NodePorts on two Nodes, whose kube-proxies say whether they want traffic (KEP-3836). */
const VIPS = ['192.0.2.100', '192.0.2.101', '192.0.2.102'];

let lab: Lab;
let site: EdgeSite;
let box: Box;
let second: Worker;
let kubeProxy: LabProcess;

test.before(async () => {
  lab = createLab();
  site = buildEdgeSite(lab);
  [, second] = site.workers;
  box = createBox(lab, site);
  box.configure({
    loadBalancer: 'target: node, nodeHealth: kube-proxy',
    forwarder: 'deadBackends: reset',
  });
  box.write('pool', POOL);
  for (const worker of site.workers) {
    await serve(worker.host, worker.host.name, 30080);
    box.write(worker.host.name, nodeManifest(worker, true));
    setHealthz(worker, 200);
    kubeProxy = await startKubeProxy(worker);
  }
  for (const [index, vip] of VIPS.entries()) box.write(`web-${index}`, serviceManifest(index, vip));
  await box.start();
});

test.after.always(() => lab?.remove());

test.serial('all Services share one check a node', async (t) => {
  for (const vip of VIPS) await untilAnsweredBy(['worker-1', 'worker-2'], vip);
  const checks = box.read('run/health.ledger').match(/http \S+ 10256/g);
  t.deepEqual([...new Set(checks)].sort(), ['http 10.10.0.11 10256', 'http 10.10.0.12 10256']);
  t.is(checks?.length, 2);
});

test.serial('a node that answers 503 takes no new flows and keeps those it has', async (t) => {
  const transfers = tcp({ connections: 40, parallel: 40, bytes: 40_000, pieces: 40, pauseMs: 60 });
  await sleep(500);
  setHealthz(second, 503);
  await untilAnsweredBy(['worker-1']);
  const explained = await explain();
  t.regex(explained, /worker-2 draining .*kube-proxy's health check of the node/);
  t.regex(explained, /status 503, expected 200/);
  const { good, failures, answeredBy } = await transfers;
  t.deepEqual({ good, failures }, { good: 40, failures: [] });
  t.true((answeredBy['worker-2'] ?? 0) > 0);
  setHealthz(second, 200);
  await untilAnsweredBy(['worker-1', 'worker-2']);
});

test.serial('a node whose kube-proxy is gone is down, and its flows end', async (t) => {
  const transfers = tcp({ connections: 40, parallel: 40, bytes: 40_000, pieces: 40, pauseMs: 60 });
  await sleep(500);
  await kubeProxy.stop();
  await untilAnsweredBy(['worker-1']);
  t.regex(await explain(), /worker-2 down .*connection refused/);
  const { failures } = await transfers;
  t.true(failures.length > 0 && failures.length < 40, `${failures.length} ended`);
  kubeProxy = await startKubeProxy(second);
  await untilAnsweredBy(['worker-1', 'worker-2']);
});

test.serial('a node that serves no longer is down, though its kube-proxy is well', async (t) => {
  second.host.run(['nft', '-f', '-'], REFUSE);
  await untilAnsweredBy(['worker-1']);
  t.regex(await explain(), /worker-2 down .*health check failed: connection refused/);
  second.host.run(['nft', 'delete', 'table', 'inet', 'refuse']);
  await untilAnsweredBy(['worker-1', 'worker-2']);
});

test.serial('a node that flaps between Ready and NotReady is out and in with each', async (t) => {
  for (const ready of [false, true, false, true]) {
    box.write(second.host.name, nodeManifest(second, ready));
    await untilAnsweredBy(ready ? ['worker-1', 'worker-2'] : ['worker-1']);
  }
  t.pass();
});

/** What a kube-proxy would answer; the server reads it for each request. */
function setHealthz({ host }: Worker, status: 200 | 503): void {
  writeFileSync(`${lab.directory}/healthz-${host.name}`, String(status));
}

async function startKubeProxy({ host }: Worker): Promise<LabProcess> {
  const code = `const { readFileSync } = require('node:fs');
    require('node:http').createServer(({ url }, response) => {
      const status = readFileSync('${lab.directory}/healthz-${host.name}', 'utf8');
      response.writeHead(url === '/healthz' ? Number(status) : 404).end();
    }).listen(10256, '0.0.0.0', () => console.log('UP'))`;
  const server = host.start([process.execPath, '-e', code]);
  await server.prints(/UP/);
  return server;
}

function tcp(fields: object, vip = VIPS[0] ?? ''): Promise<TrafficResult> {
  const job = { host: vip, port: 80, connections: 40, parallel: 8, bytes: 10 };
  return tcpFrom(site.client, { ...job, ...fields });
}

async function untilAnsweredBy(names: readonly string[], vip?: string): Promise<void> {
  await until(`${names.join(' and ')} answer`, async () => {
    const { failures, answeredBy } = await tcp({}, vip);
    return failures.length === 0 && Object.keys(answeredBy).sort().join() === names.join();
  });
}

/** The words of `tidegate explain`, without line breaks. */
async function explain(): Promise<string> {
  const { stdout } = await box.ask('explain', 'service', 'default/web-0');
  return stdout.replace(/\s+/g, ' ');
}

function nodeManifest({ host, addresses }: Worker, ready: boolean): string {
  const listed = addresses.map((address) => ({ type: 'InternalIP', address }));
  return `apiVersion: v1
kind: Node
metadata: { name: ${host.name} }
status:
  addresses: ${JSON.stringify(listed)}
  conditions: [{ type: Ready, status: "${ready ? 'True' : 'Unknown'}" }]
`;
}

function serviceManifest(index: number, vip: string): string {
  return `apiVersion: v1
kind: Service
metadata:
  name: web-${index}
  namespace: default
  annotations: { metallb.io/loadBalancerIPs: ${vip} }
spec:
  type: LoadBalancer
  ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-${index}
  namespace: default
  labels: { kubernetes.io/service-name: web-${index} }
addressType: IPv4
ports: [{ name: "", port: 8080 }]
endpoints:
- { addresses: ["10.244.1.11"], nodeName: worker-1 }
`;
}

const REFUSE = `table inet refuse {
  chain input { type filter hook input priority 0; tcp dport 30080 reject with tcp reset; }
}`;
