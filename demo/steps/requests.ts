import { CLIENT_ADDRESSES } from '../../lab/edge-site.ts';
import { type DemoSite, POD_PORT, programPath } from '../demo-site.ts';
import { serveNodePort } from '../kube-proxy.ts';
import { ask, show, showCommand } from '../show.ts';
import { bars, output } from '../transcript.ts';
import { expect, type Step } from './step.ts';

const NODE_PORT = 30080;
const SPREAD_REQUESTS = 200;
const STICKY_REQUESTS = 20;

export const askOverHttp: Step = {
  title: 'Real requests, IPv4 and IPv6',
  explanation:
    'The client opens TCP connections to the Service address. Each answer says which Pod gave it, ' +
    'and whom the Pod saw asking: the edge box, through which the answer goes back (mode "nat").',
  run: async ({ client, tidegate }) => {
    const { addresses } = await tidegate.servedService('default/web');
    for (const url of addresses.map(urlOf)) {
      const answer = await show(client, ['curl', '-s', url]);
      expect(/^web-\d on worker-\d/.test(answer), `${url} answered: ${answer}`);
    }
    return 'both families are answered by Pods';
  },
};

export const askOverUdp: Step = {
  title: 'UDP as well',
  explanation: 'A second Service, for a UDP echo in the same Pods, gets addresses of its own.',
  run: async ({ client, tidegate, cluster }) => {
    await cluster.add('echo.yaml');
    const { addresses } = await tidegate.servedService('default/echo');
    for (const address of addresses) {
      const program = [process.execPath, programPath('ask-udp.ts')];
      const answer = await show(client, [...program, address, '7', 'hello']);
      expect(/^web-\d .*hello/.test(answer), `${address} answered: ${answer}`);
    }
    return 'both families are answered by Pods';
  },
};

export const spreadOverPods: Step = {
  title: 'Load spreads over the Pods',
  explanation:
    'Every new connection is placed by a Maglev table: evenly, and alike on every edge box, so ' +
    'that another box could take over.',
  run: async ({ client, tidegate, pods }) => {
    const [v4 = ''] = (await tidegate.servedService('default/web')).addresses;
    const counts = countPods(await show200(client, v4));
    output(bars(counts));
    const fewest = Math.min(...[...pods.keys()].map((name) => counts.get(name) ?? 0));
    const fair = SPREAD_REQUESTS / pods.size;
    expect(fewest > fair / 2, `A Pod got only ${fewest} of ${SPREAD_REQUESTS} requests`);
    return `${SPREAD_REQUESTS} connections, ${counts.size} Pods, none got less than ${fewest}`;
  },
};

export const stickToPods: Step = {
  title: 'A client stays with its Pod',
  explanation:
    'This Service says "sessionAffinity: ClientIP": all connections from one address go to one Pod.',
  run: async ({ client, tidegate, cluster }) => {
    await cluster.add('web-sticky.yaml');
    const { addresses } = await tidegate.servedService('default/web-sticky');
    const seen: string[] = [];
    for (const [family, address] of addresses.entries()) {
      for (const source of CLIENT_ADDRESSES.map((pair) => pair[family as 0 | 1])) {
        const url = `${urlOf(address)}?[1-${STICKY_REQUESTS}]`;
        const words = ['curl', '-s', '--interface', source, '-H', 'Connection: close', url];
        if (seen.length === 0) showCommand(client, words);
        const names = [...countPods(await ask(client, words)).keys()];
        expect(names.length === 1, `${source} was answered by ${names.join(' and ')}`);
        seen.push(`${source.padEnd(16)} → ${names[0]}`);
      }
    }
    output(seen.join('\n'));
    return `${seen.length} clients, ${STICKY_REQUESTS} connections each, one Pod for each client`;
  },
};

export const useNodePorts: Step = {
  title: 'NodePorts beside Pod IPs',
  explanation:
    'Where the edge box has no route to the Pods, "tidegate.io/target: node" sends packets to the ' +
    'NodePort of each node; kube-proxy there (nftables rules) takes them to a Pod.',
  run: async ({ client, tidegate, cluster, workers, pods }) => {
    for (const worker of workers) serveNodePort(worker, NODE_PORT, [...pods.values()], POD_PORT);
    await cluster.add('web-nodeport.yaml');
    const { addresses } = await tidegate.servedService('default/web-nodeport');
    for (const url of addresses.map(urlOf)) {
      const answer = await show(client, ['curl', '-s', url]);
      expect(/^web-\d on worker-\d/.test(answer), `${url} answered: ${answer}`);
    }
    return `both families are answered by way of port ${NODE_PORT} on the nodes`;
  },
};

/** `http://address/`, with the brackets that IPv6 needs. */
export function urlOf(address: string): string {
  return address.includes(':') ? `http://[${address}]/` : `http://${address}/`;
}

/** How many answers each Pod gave. */
export function countPods(answers: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of answers.match(/^web-\d+/gm) ?? []) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

async function show200(client: DemoSite['client'], address: string): Promise<string> {
  const url = `${urlOf(address)}?[1-${SPREAD_REQUESTS}]`;
  const words = ['curl', '-s', '-H', 'Connection: close', url];
  showCommand(client, words);
  return await ask(client, words);
}
