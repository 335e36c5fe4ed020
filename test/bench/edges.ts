import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Host } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';
import { BACKS, type BenchSite, FRONT, VIP } from './bench-site.ts';

/** What runs on the edge of a site and forwards from the VIP's port to the backends' port. */

const TIDEGATE = fileURLToPath(new URL('../../bin/tidegate', import.meta.url));
export const VIP_PORT = 80;
export const BACKEND_PORT = 8080;
const START_LIMIT_MS = 30_000;
const LISTEN_LIMIT_MS = 5000;
const LISTEN_POLL_MS = 20;

/** What is measured is what new flows cost, not how few of them are let through. */
const NO_BUDGET = 100_000_000;

/**
 * The whole appliance with its default settings, but for health checks (nobody answers them where
 * packets are only counted) and the budget for new flows.
 */
export async function startTidegate(lab: Lab, site: BenchSite): Promise<void> {
  const folder = `${lab.directory}/${site.edge.name}`;
  mkdirSync(`${folder}/manifests`, { recursive: true });
  writeFileSync(`${folder}/manifests/all.yaml`, manifests(site.endpoints.flat()));
  writeFileSync(
    `${folder}/tidegate.yaml`,
    `stateDir: ${folder}/state
runDir: ${folder}/run
cluster: { files: { path: ${folder}/manifests } }
speaker: { interfaces: [${FRONT}] }
forwarder:
  interfaces: [${[FRONT, ...BACKS].join(', ')}]
  bpfDir: ${lab.bpffs}/${site.edge.name}
  health: { check: none }
  flood: { newFlows: ${NO_BUDGET} }
`,
  );
  const args = ['run', '--config', `${folder}/tidegate.yaml`];
  const tidegate = site.edge.start([TIDEGATE, ...args, '--roles', 'controller,forwarder,speaker']);
  // It announces what it can serve.
  await tidegate.prints(/"msg":"Announcing"/, START_LIMIT_MS);
}

function manifests(endpoints: readonly string[]): string {
  const ports = (['TCP', 'UDP'] as const).map((protocol) => ({
    name: protocol.toLowerCase(),
    protocol,
  }));
  const service = ports.map((port) => ({ ...port, port: VIP_PORT, targetPort: BACKEND_PORT }));
  const slice = ports.map((port) => ({ ...port, port: BACKEND_PORT }));
  return [
    {
      apiVersion: 'metallb.io/v1beta1',
      kind: 'IPAddressPool',
      metadata: { name: 'bench', namespace: 'metallb-system' },
      spec: { addresses: [`${VIP}/32`] },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'default' },
      spec: { type: 'LoadBalancer', ports: service },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: 'web',
        namespace: 'default',
        labels: { 'kubernetes.io/service-name': 'web' },
      },
      addressType: 'IPv4',
      ports: slice,
      endpoints: endpoints.map((address) => ({ addresses: [address] })),
    },
  ]
    .map((object) => `---\n${JSON.stringify(object)}\n`)
    .join('');
}

/**
 * The rules that kube-proxy's nftables mode has for a Service: a map of address, protocol and port
 * to a chain, which chooses one of the endpoints' chains at random. Without masquerading, since
 * here all answers come by the edge: less work than Tidegate, which translates both addresses.
 */
export function setUpNftables({ edge, endpoints }: BenchSite): void {
  const all = endpoints.flat();
  const chains = all.map(
    (address, i) =>
      `chain endpoint-${i} { meta l4proto { tcp, udp } dnat to ${address}:${BACKEND_PORT}; }`,
  );
  const choices = all.map((_, i) => `${i} : goto endpoint-${i}`).join(', ');
  const services = ['tcp', 'udp'].map(
    (protocol) => `${VIP} . ${protocol} . ${VIP_PORT} : goto web`,
  );
  const rules = `table ip bench {
${chains.join('\n')}
chain web { numgen random mod ${all.length} vmap { ${choices} }; }
map services {
  type ipv4_addr . inet_proto . inet_service : verdict
  elements = { ${services.join(', ')} }
}
chain prerouting {
  type nat hook prerouting priority dstnat
  ip daddr . meta l4proto . th dport vmap @services
}
}
`;
  edge.run(['nft', '-f', '-'], rules);
}

/** HAProxy in TCP mode, on as many threads as this machine has CPUs. */
export async function startHaproxy(lab: Lab, site: BenchSite): Promise<void> {
  const file = `${lab.directory}/${site.edge.name}.cfg`;
  const servers = site.endpoints
    .flat()
    .map((address, i) => `  server s${i} ${address}:${BACKEND_PORT}`);
  writeFileSync(
    file,
    `global
  nbthread 2
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend vip
  bind ${VIP}:${VIP_PORT}
  default_backend pods
backend pods
  balance roundrobin
${servers.join('\n')}
`,
  );
  prepareProxy(site.edge);
  site.edge.start(['/usr/sbin/haproxy', '-db', '-f', file]);
  await untilListens(site.edge, VIP_PORT);
}

/** nginx as a TCP proxy (`stream`). */
export async function startNginxStream(lab: Lab, site: BenchSite): Promise<void> {
  const servers = site.endpoints.flat().map((address) => `server ${address}:${BACKEND_PORT};`);
  prepareProxy(site.edge);
  await startNginx(lab, site.edge, VIP_PORT, [
    'load_module /usr/lib/nginx/modules/ngx_stream_module.so;',
    'worker_processes 2;',
    `stream {
  upstream pods { ${servers.join(' ')} }
  server { listen ${VIP}:${VIP_PORT} backlog=4096; proxy_pass pods; }
}`,
  ]);
}

/**
 * Gives a proxy the VIP, and as many ports towards the backends as one gives a busy proxy: with
 * Linux' defaults it would wait for them after a few rounds.
 */
function prepareProxy(edge: Host): void {
  edge.ip(`addr add ${VIP}/32 dev lo`);
  const settings = ['1 >tcp_tw_reuse', '10000 65535 >ip_local_port_range'];
  const lines = settings.map((setting) => `echo ${setting}`);
  edge.run(['sh', '-e'], ['cd /proc/sys/net/ipv4', ...lines].join('\n'));
}

/** A web server on a backend that answers everything with two letters. */
export async function startWebServer(lab: Lab, host: Host): Promise<void> {
  await startNginx(lab, host, BACKEND_PORT, [
    'worker_processes 1;',
    `http {
  access_log off;
  keepalive_requests 1000000000;
  server { listen ${BACKEND_PORT} backlog=4096; location / { return 200 ok; } }
}`,
  ]);
}

async function startNginx(lab: Lab, host: Host, port: number, lines: readonly string[]) {
  const file = `${lab.directory}/${host.name}-nginx.conf`;
  const common = [
    'daemon off;',
    `pid ${file}.pid;`,
    'error_log stderr;',
    'events { worker_connections 4096; }',
  ];
  writeFileSync(file, `${[...lines.slice(0, 1), ...common, ...lines.slice(1)].join('\n')}\n`);
  host.start(['/usr/sbin/nginx', '-c', file, '-e', 'stderr']);
  await untilListens(host, port);
}

async function untilListens(host: Host, port: number): Promise<void> {
  const deadlineMs = performance.now() + LISTEN_LIMIT_MS;
  while (host.run(['ss', '-Hltn', `sport = :${port}`]) === '') {
    if (performance.now() > deadlineMs) throw new Error(`Nobody listens on ${host.name}:${port}`);
    await sleep(LISTEN_POLL_MS);
  }
}
