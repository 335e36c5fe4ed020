import { setTimeout as sleep } from 'node:timers/promises';
import { startBird } from '../../lab/routers/bird.ts';
import type { DemoSite } from '../demo-site.ts';
import { ask, show, showCommand } from '../show.ts';
import type { Tidegate } from '../tidegate.ts';
import { bars, output } from '../transcript.ts';
import { until } from '../until.ts';
import { finishLoad, startLoad } from './changes.ts';
import { countPods, urlOf } from './requests.ts';
import { expect, type Step } from './step.ts';

const SERVICE = 'default/web-anywhere';
const ROUTER_ASN = 65001;
const BOX_ASN = 64500;
const SESSIONS = [
  { address: '192.0.2.2', asn: BOX_ASN },
  { address: '192.0.3.2', asn: BOX_ASN },
];
const BFD = { intervalMs: 50, multiplier: 3 };
const REQUESTS = 200;
/** How long the load goes on after the second box is lost. */
const AFTERWARDS_MS = 2000;

const learnByBgp: Step = {
  title: 'A router learns addresses by BGP, from two boxes',
  explanation:
    'A second edge box starts, and BIRD on the router speaks BGP with both. An address of no ' +
    'segment at all is reached by either box: the router spreads connections over two equal routes.',
  run: async (demo) => {
    const { lab, router, cluster, tidegate, second } = demo;
    router.sysctl({ 'ipv4/fib_multipath_hash_policy': 1, 'ipv6/fib_multipath_hash_policy': 1 });
    output(await cluster.add('bgp.yaml'));
    await cluster.add('web-anywhere.yaml');
    showCommand(second.host, second.tidegate.runCommand);
    await second.tidegate.start();
    showCommand(router, ['bird']);
    await startBird(lab, router, {
      asn: ROUTER_ASN,
      routerId: '192.0.2.1',
      neighbours: SESSIONS.map((session) => ({ ...session, bfd: BFD })),
      installs: true,
    });
    const { addresses } = await tidegate.servedService(SERVICE);
    const [v4 = '', v6 = ''] = addresses;
    await until('both boxes are in the route', async () => {
      const counts = await Promise.all(addresses.map((each) => nextHops(demo, each)));
      return counts.every((count) => count === 2) || undefined;
    });
    await show(router, birdc(demo, 'show', 'route', 'where', 'source', '=', 'RTS_BGP'));
    await show(router, ['ip', 'route', 'show', v4]);
    await show(demo.edge, tidegate.command('bgp', 'peers'));
    const counts = await requestsThroughBoth(demo, v4);
    return `${v4} and ${v6} by two equal routes; ${counts.join(' and ')} of ${REQUESTS} connections`;
  },
};

const loseBox: Step = {
  title: 'The second box is no longer heard',
  explanation:
    'Under 100 requests a second, the router drops all that comes from it. BFD misses three ' +
    'packets in a row, 50 ms apart, and the router sends everything to the first box.',
  run: async (demo) => {
    const { router } = demo;
    const load = await startLoad(demo, SERVICE);
    showCommand(router, ['nft', CUT]);
    const cutAt = Date.now();
    router.run(['nft', CUT]);
    const [v4 = ''] = (await demo.tidegate.servedService(SERVICE)).addresses;
    await until('one box is left in the route', async () =>
      (await nextHops(demo, v4)) === 1 ? true : undefined,
    );
    const tookMs = Date.now() - cutAt;
    await sleep(AFTERWARDS_MS);
    const results = await finishLoad(load);
    const failures = results.filter(({ error }) => error !== undefined);
    const last = Math.max(0, ...failures.map(({ at }) => at - cutAt));
    await show(router, ['ip', 'route', 'show', v4]);
    expect(last < 1000, `Requests failed until ${last} ms after the cut`);
    const share = `${failures.length} of ${results.length} requests failed`;
    return `the route is by one box after ${tookMs} ms; ${share}, the last ${last} ms after the cut`;
  },
};

/** Those with routers that speak BGP. */
export const ROUTE_STEPS: readonly Step[] = [learnByBgp, loseBox];

const CUT =
  'table netdev cut { chain in { type filter hook ingress device "front-2" priority 0; policy drop; }; }';

function birdc({ lab, router }: DemoSite, ...words: readonly string[]): readonly string[] {
  return ['birdc', '-s', `${lab.directory}/bird-${router.name}/bird.ctl`, ...words];
}

/** How many boxes the router's kernel sends packets for this address to. */
async function nextHops({ router }: DemoSite, address: string): Promise<number> {
  const family = address.includes(':') ? '-6' : '-4';
  const [route] = JSON.parse(await ask(router, ['ip', '-j', family, 'route', 'show', address]));
  return route?.nexthops?.length ?? (route ? 1 : 0);
}

/** Asks often, shows who answered, and resolves with the number of connections by each box. */
async function requestsThroughBoth(demo: DemoSite, address: string): Promise<readonly number[]> {
  const { client, tidegate, second } = demo;
  const count = async (box: Tidegate) => {
    const { servers = [] } = await box.servedService(SERVICE);
    return servers.reduce((sum, { traffic }) => sum + (traffic?.newFlows ?? 0), 0);
  };
  const words = ['curl', '-s', '-H', 'Connection: close', `${urlOf(address)}?[1-${REQUESTS}]`];
  showCommand(client, words);
  const boxes = [tidegate, second.tidegate];
  const before = await Promise.all(boxes.map(count));
  output(bars(countPods(await ask(client, words))));
  const after = await Promise.all(boxes.map(count));
  return after.map((now, index) => now - (before[index] ?? 0));
}
