import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Host } from '../../../lab/host.ts';
import { createLab, type Lab } from '../../../lab/lab.ts';
import { udp } from '../../support/packet.ts';
import {
  BACKS,
  type BenchSite,
  buildBenchSite,
  FAR_END,
  FRONT,
  linkOf,
  VIP,
} from '../bench-site.ts';
import { NFTABLES } from '../debian.ts';
import { BACKEND_PORT, setUpNftables, startTidegate, VIP_PORT } from '../edges.ts';
import type { BenchContext, BenchGroup, Row } from '../group.ts';
import { FRAME_BYTES, type Generated, type GenerateJob } from '../programs/live.ts';
import { createRows } from '../rows.ts';

const LIVE = fileURLToPath(new URL('../programs/live.ts', import.meta.url));
const CPU = availableParallelism() - 1;
const SCATTER = 0x9e3779b1;
const ETHERNET_IP_UDP_BYTES = 42;
/**
 * So many backends that a NAT address has ports for every flow that the flow table holds: then it
 * is the table that limits, and not the ports.
 */
const ENDPOINTS_EACH = 32;

/** What is sent, and who it is. */
const STREAMS = {
  established: { clients: 64, warmUpSeconds: 0.2 },
  'new flow each packet': { clients: 1 << 26, warmUpSeconds: 0 },
} as const;
type Stream = keyof typeof STREAMS;

const PATHS = ['generator alone', 'Tidegate', 'nftables', 'ip_forward'] as const;
type Path = (typeof PATHS)[number];

/** How many small packets one CPU forwards. */
export const capacity: BenchGroup = {
  name: 'capacity',
  describe: `million packets a second that arrive at the backends, 64-byte UDP frames over veth, while one
CPU does all of it: generator, edge, counting. ("Alone": counted and dropped as they reach the edge.)
nftables has kube-proxy's rules without masquerading; ip_forward routes and keeps no state.`,
  needs: [NFTABLES],
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
  const sites = new Map<Path, BenchSite>();
  for (const path of PATHS) sites.set(path, await prepare(lab, path));
  const rows = createRows();
  const seconds = context.quick ? 0.7 : 1.5;
  for (let round = 1; round <= context.rounds; round++) {
    for (const stream of Object.keys(STREAMS) as Stream[]) {
      for (const [path, site] of sites) {
        context.progress(`capacity: round ${round} of ${context.rounds}, ${path}, ${stream}`);
        const against = path === 'Tidegate' ? comparisons(stream) : [];
        const mpps = await measure(lab, path, site, stream, seconds);
        rows.add({ name: `${path}, ${stream}`, unit: 'Mpps', against }, mpps);
      }
    }
  }
  return rows.all();
}

function comparisons(stream: Stream) {
  const established = stream === 'established';
  return [
    { to: `nftables, ${stream}`, aim: { atLeast: established ? 3 : 4 } },
    { to: `ip_forward, ${stream}`, ...(!established && { aim: { atLeast: 1 } }) },
  ];
}

async function prepare(lab: Lab, path: Path): Promise<BenchSite> {
  const name = path.split(' ')[0]?.toLowerCase().replace('_', '') ?? '';
  const site = buildBenchSite({ lab, name, endpoints: ENDPOINTS_EACH, xdp: false });
  const { edge, backends, endpoints } = site;
  BACKS.forEach((back, i) => {
    const { mac } = linkOf(backends[i] as BenchSite['edge'], FAR_END);
    // Under this flood an answer to ARP would be lost.
    const lines = endpoints[i]?.map(
      (address) => `neigh replace ${address} lladdr ${mac} dev ${back}`,
    );
    edge.ip(...(lines ?? []));
  });
  const sink = sinkOf(lab, path);
  if (path === 'generator alone') attachSink(edge, FRONT, sink);
  else {
    for (const host of backends) attachSink(host, FAR_END, sink);
  }
  if (path === 'Tidegate') await startTidegate(lab, site);
  if (path === 'nftables') setUpNftables(site);
  return site;
}

function attachSink(host: Host, port: string, folder: string): void {
  host.run([process.execPath, LIVE, 'sink', String(linkOf(host, port).ifindex), folder]);
}

function sinkOf(lab: Lab, path: Path): string {
  return `${lab.bpffs}/sink-${PATHS.indexOf(path)}`;
}

async function measure(
  lab: Lab,
  path: Path,
  { client, edge, endpoints }: BenchSite,
  stream: Stream,
  seconds: number,
): Promise<number> {
  const from = linkOf(client, FAR_END);
  const to = path === 'ip_forward' ? `${endpoints[0][0]}:${BACKEND_PORT}` : `${VIP}:${VIP_PORT}`;
  const frame = udp({
    from: '16.0.0.0:4000',
    to,
    srcMac: from.mac,
    dstMac: linkOf(edge, FRONT).mac,
    payload: new Uint8Array(FRAME_BYTES - ETHERNET_IP_UDP_BYTES),
    noChecksum: true,
  });
  const job: GenerateJob = {
    ifindex: from.ifindex,
    frame: Buffer.from(frame).toString('hex'),
    clients: STREAMS[stream].clients,
    step: SCATTER,
    seconds,
    warmUpSeconds: STREAMS[stream].warmUpSeconds,
    cpu: CPU,
    sink: sinkOf(lab, path),
  };
  const command = [process.execPath, LIVE, 'generate', JSON.stringify(job)];
  const { stdout, stderr } = await client.finish(command);
  if (stdout === '') throw new Error(`The generator failed: ${stderr}`);
  const result: Generated = JSON.parse(stdout);
  if (result.arrived === 0) throw new Error(`Nothing came through ${path}`);
  return result.arrived / result.seconds / 1e6;
}
