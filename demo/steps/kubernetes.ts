import { setTimeout as sleep } from 'node:timers/promises';
import type { DemoApi } from '../cluster/demo-cluster.ts';
import type { DemoSite } from '../demo-site.ts';
import { showCommand } from '../show.ts';
import { command } from '../transcript.ts';
import { until } from '../until.ts';
import { finishLoad, startLoad } from './changes.ts';
import { urlOf } from './requests.ts';
import { expect, type Step } from './step.ts';

/** How long Tidegate stays dead while the API server is, too. */
const DOWN_MS = 500;
/** How long it then runs without an API server. */
const ALONE_MS = 2000;

const lookWithKubectl: Step = {
  title: 'What kubectl shows',
  explanation:
    "The Service has its addresses in its status, MetalLB's events tell how it came by them, and " +
    'the edge box stands in the cluster as an object of its own.',
  run: async ({ cluster }) => {
    const { kubectl, ask } = apiOf(cluster);
    const services = await kubectl('get', 'services');
    expect(/^web .*192\.0\.2\.1\d\d/m.test(services), 'kubectl shows no address of web');
    const described = await kubectl('describe', 'service', 'web');
    expect(described.includes('IPAllocated'), 'kubectl shows no event IPAllocated');
    await until('the box is ready', async () => {
      const condition = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
      const status = await ask('get', 'edgenode', 'edge', '-o', condition);
      return status === 'True' || undefined;
    });
    await kubectl('get', 'edgenodes');
    return 'addresses, events and the box itself';
  },
};

const surviveDeadApiServer: Step = {
  title: 'The API server dies, and Tidegate is restarted meanwhile',
  explanation:
    'kube-apiserver is killed under 100 requests a second, then Tidegate as well. It starts again ' +
    'without anybody to ask, from what it remembers: nobody notices.',
  run: async (demo) => {
    const { cluster, tidegate, edge } = demo;
    const api = apiOf(cluster);
    const load = await startLoad(demo);
    command('control-plane', ['pkill', '-9', 'kube-apiserver']);
    await api.kill();
    showCommand(edge, ['kill', '-9', String(tidegate.pid())]);
    await tidegate.kill();
    await sleep(DOWN_MS);
    showCommand(edge, tidegate.runCommand);
    await tidegate.start(['speaker', 'forwarder']);
    await sleep(ALONE_MS);
    const results = await finishLoad(load);
    const failures = results.filter((result) => result.error !== undefined);
    expect(failures.length === 0, `${failures.length} requests failed: ${failures[0]?.error}`);
    command('control-plane', ['kube-apiserver', '…']);
    await api.start();
    const start = performance.now();
    await tidegate.leads();
    const took = ((performance.now() - start) / 1000).toFixed(0);
    return `no failure in ${results.length} new connections; leads again after ${took} s`;
  },
};

const deleteService: Step = {
  title: 'A Service is deleted',
  explanation:
    'A finalizer keeps it until the box has stopped answering for its address. Only then the address ' +
    'is free for another Service.',
  run: async ({ cluster, tidegate, client }) => {
    const [v4 = ''] = (await tidegate.servedService('default/web-sticky')).addresses;
    const start = performance.now();
    await apiOf(cluster).kubectl('delete', 'service', 'web-sticky');
    const took = Math.round(performance.now() - start);
    const words = ['curl', '-s', '--max-time', '2', urlOf(v4)];
    showCommand(client, words);
    const { code } = await client.finish(words);
    expect(code !== 0, `${v4} still answers`);
    await tidegate.forgets('default/web-sticky');
    return `gone after ${took} ms, and ${v4} does not answer`;
  },
};

/** Those that need an API server. */
export const KUBERNETES_STEPS: readonly Step[] = [
  lookWithKubectl,
  surviveDeadApiServer,
  deleteService,
];

function apiOf({ api }: DemoSite['cluster']): DemoApi {
  if (!api) throw new Error('This step needs an API server');
  return api;
}
