import type { Host } from '../../../lab/host.ts';
import { createLab, type Lab } from '../../../lab/lab.ts';
import { type BenchSite, buildBenchSite, VIP } from '../bench-site.ts';
import { HAPROXY, NFTABLES, NGINX, NGINX_STREAM, WRK } from '../debian.ts';
import {
  BACKEND_PORT,
  setUpNftables,
  startHaproxy,
  startNginxStream,
  startTidegate,
  startWebServer,
  VIP_PORT,
} from '../edges.ts';
import type { BenchContext, BenchGroup, Comparison, Row } from '../group.ts';
import { createRows } from '../rows.ts';

const KINDS = {
  'connections/s': ['-H', 'Connection: close'],
  'requests/s': [],
} as const;
type Kind = keyof typeof KINDS;

const EDGES: Readonly<Record<string, (lab: Lab, site: BenchSite) => Promise<void> | void>> = {
  Tidegate: startTidegate,
  nftables: (_, site) => setUpNftables(site),
  HAProxy: startHaproxy,
  'nginx stream': startNginxStream,
  ip_forward: () => undefined,
};
/** Without a VIP, so the client itself divides what it asks among the backends. */
const DIRECT = 'ip_forward';
const CONNECTIONS = 64;
/** Addresses of each web server: closed connections wait for a minute, and ports must not run out. */
const ENDPOINTS_EACH = 4;

/** What a client sees, with TCP stacks at both ends on the same CPUs. */
export const requests: BenchGroup = {
  name: 'requests',
  describe: `what wrk gets from two web servers behind the edge, all of it on this machine's CPUs: a new
connection for each request, and requests on connections that stay. Frames as on a wire (no checksum
or segment offload at the ends, GRO at the edge). HAProxy in TCP mode and nginx stream terminate TCP;
ip_forward is the client asking the backends themselves.`,
  needs: [NFTABLES, HAPROXY, NGINX, NGINX_STREAM, WRK],
  run: async (context) => {
    const lab = createLab();
    try {
      return await measureAll(lab, context);
    } finally {
      lab.remove();
    }
  },
};

async function measureAll(lab: Lab, context: BenchContext): Promise<readonly Row[]> {
  const sites = new Map<string, BenchSite>();
  for (const [edge, start] of Object.entries(EDGES)) {
    const name = edge.split(' ')[0]?.toLowerCase().replace('_', '') ?? '';
    const site = buildBenchSite({ lab, name, endpoints: ENDPOINTS_EACH, xdp: edge === 'Tidegate' });
    for (const host of site.backends) await startWebServer(lab, host);
    await start(lab, site);
    sites.set(edge, site);
  }
  const rows = createRows();
  const seconds = context.quick ? 1 : 2;
  for (let round = 1; round <= context.rounds; round++) {
    for (const kind of Object.keys(KINDS) as Kind[]) {
      for (const [edge, site] of sites) {
        context.progress(`requests: round ${round} of ${context.rounds}, ${edge}, ${kind}`);
        const against = edge === 'Tidegate' ? comparisons(kind) : [];
        const rate = await ask(edge, site, kind, seconds);
        rows.add({ name: rowName(edge, kind), unit: kind, against }, rate);
      }
    }
  }
  return rows.all();
}

function rowName(edge: string, kind: Kind): string {
  return `${edge}, ${kind === 'connections/s' ? 'new connections' : 'keep-alive'}`;
}

function comparisons(kind: Kind): readonly Comparison[] {
  return [
    { to: rowName('HAProxy', kind), aim: { atLeast: 1.8 } },
    { to: rowName('nginx stream', kind), aim: { atLeast: 1.7 } },
    { to: rowName('nftables', kind), aim: { atLeast: 1.15 } },
    { to: rowName('ip_forward', kind) },
  ];
}

/** Requests a second. */
async function ask(edge: string, site: BenchSite, kind: Kind, seconds: number): Promise<number> {
  const targets =
    edge === DIRECT
      ? site.endpoints.map(([address]) => `http://${address}:${BACKEND_PORT}/`)
      : [`http://${VIP}:${VIP_PORT}/`];
  // Two threads in all.
  const threads = 2 / targets.length;
  const share = [`-t${threads}`, `-c${CONNECTIONS / targets.length}`, `-d${seconds}s`];
  const rates = await Promise.all(
    targets.map((target) => wrk(site.client, [...share, ...KINDS[kind], target])),
  );
  return rates.reduce((sum, rate) => sum + rate, 0);
}

/** Runs wrk. Throws when not every request was answered: its figure would mean something else. */
async function wrk(client: Host, args: readonly string[]): Promise<number> {
  const { code, stdout, stderr } = await client.finish(['/usr/bin/wrk', ...args]);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  if (code !== 0 || !(rate > 0) || /Socket errors|Non-2xx/.test(stdout)) {
    throw new Error(`wrk ${args.join(' ')} failed: ${stdout}${stderr}`);
  }
  return rate;
}
