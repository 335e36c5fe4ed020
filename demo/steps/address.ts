import { EDGE_INTERFACES } from '../../lab/edge-site.ts';
import type { DemoSite } from '../demo-site.ts';
import { ask, show, showCommand } from '../show.ts';
import { output } from '../transcript.ts';
import { until } from '../until.ts';
import { expect, type Step } from './step.ts';

const [FRONT] = EDGE_INTERFACES;

export const startTidegate: Step = {
  title: 'Tidegate starts on the edge box',
  explanation:
    'One process with all three roles: the controller gives out addresses, the speaker tells the ' +
    'network where they live, the forwarder sends packets on with an XDP program in the kernel.',
  essential: true,
  run: async ({ edge, tidegate, cluster, pods }) => {
    for (const file of ['pool.yaml', 'nodes.yaml']) await cluster.add(file);
    await cluster.writeEndpoints([...pods.values()].map((pod) => ({ pod, condition: 'ready' })));
    showCommand(edge, tidegate.runCommand);
    const start = performance.now();
    await tidegate.start();
    const took = Math.round(performance.now() - start);
    return `all three roles are ready after ${took} ms`;
  },
};

export const allocateAddress: Step = {
  title: 'A Service asks for an address',
  explanation:
    'This is an ordinary Kubernetes manifest. A cloud would answer "type: LoadBalancer"; on bare ' +
    'metal nobody does, so Tidegate takes an address of each family from the pool.',
  essential: true,
  run: async ({ tidegate, cluster }) => {
    output(await cluster.add('web.yaml'));
    const start = performance.now();
    const service = await tidegate.servedService('default/web');
    const took = Math.round(performance.now() - start);
    expect(service.addresses.length === 2, `It got ${service.addresses.join(', ')}, not two`);
    return `${service.addresses.join(', ')} from pool "${service.pool}", served after ${took} ms`;
  },
};

export const announceAddress: Step = {
  title: 'The network learns where the address lives',
  explanation:
    'The router asks its neighbours who has the address: by ARP for IPv4, by neighbour discovery ' +
    'for IPv6. The edge box answers with the hardware address of its own network card.',
  run: async (demo) => {
    const { router, edge, tidegate } = demo;
    const [v4 = '', v6 = ''] = (await tidegate.servedService('default/web')).addresses;
    const mac = await macOf(demo);
    await until('The edge box answers ARP', async () => {
      const probe = await router.finish(['arping', '-q', '-c1', '-w1', '-I', FRONT, v4]);
      return probe.code === 0 || undefined;
    });
    const arp = await show(router, ['arping', '-c', '1', '-I', FRONT, v4]);
    const ndp = await show(router, ['ndisc6', '-1', v6, FRONT]);
    for (const [protocol, answer] of [
      ['ARP', arp],
      ['NDP', ndp],
    ] as const) {
      const named = answer.toLowerCase().includes(mac);
      expect(named, `The ${protocol} answer does not name ${mac}, the ${edge.name} box's ${FRONT}`);
    }
    return `ARP and NDP answers name ${mac}, ${FRONT} of the edge box`;
  },
};

async function macOf({ edge }: DemoSite): Promise<string> {
  const text = await ask(edge, ['ip', '-br', 'link', 'show', FRONT]);
  const mac = /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/.exec(text)?.[0];
  expect(mac !== undefined, `ip shows no hardware address: ${text}`);
  return mac;
}
