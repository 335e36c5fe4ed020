import { setTimeout as sleep } from 'node:timers/promises';
import type { LabProcess } from '../../lab/process.ts';
import { type DemoSite, programPath, startPod, startServer } from '../demo-site.ts';
import { ask, show, showCommand } from '../show.ts';
import { bars, output } from '../transcript.ts';
import { until } from '../until.ts';
import { countPods, urlOf } from './requests.ts';
import { expect, type Step } from './step.ts';

const REQUESTS_PER_SECOND = 100;
const DOWNLOAD_SECONDS = 3;
const DOWNLOAD_BYTES = 983_040;
/** How long Tidegate stays dead. */
const DOWN_MS = 500;

export const surviveKilledPod: Step = {
  title: 'A Pod is killed',
  explanation:
    'While a client asks 100 times a second, the server in web-2 is killed. Kubernetes has not ' +
    'noticed, but the health check (GET /healthz every 500 ms) has: new connections avoid it.',
  run: async (demo) => {
    const { tidegate, pods } = demo;
    const load = await startLoad(demo);
    const victim = pods.get('web-2');
    expect(victim !== undefined, 'web-2 does not run');
    showCommand(victim.host, ['kill', '-9', String(victim.server.pid)]);
    const killedAt = Date.now();
    await victim.server.stop('SIGKILL');
    await until('web-2 is taken out', async () => {
      const backends = await tidegate.backends('default/web');
      return backends.some((backend) => backend.pod === 'default/web-2' && backend.use === 'down')
        ? true
        : undefined;
    });
    await sleep(500);
    const results = await finishLoad(load);
    const failures = results.filter((result) => result.error !== undefined);
    const late = results.filter((result) => result.at > killedAt && result.pod === 'web-2');
    expect(late.length === 0, 'web-2 answered after its end');
    expect(failures.length > 0, 'No request failed: the kill was not seen');
    const lastFailure = Math.max(...failures.map((failure) => failure.at)) - killedAt;
    await show(demo.edge, tidegate.command('explain', 'service', 'default/web'));
    const share = `${failures.length} of ${results.length} in all`;
    return `last failed request ${lastFailure} ms after the kill, ${share}`;
  },
};

export const takePodBack: Step = {
  title: 'The Pod comes back',
  explanation: 'Its server starts again; after two good checks it gets its share of connections.',
  run: async (demo) => {
    const pod = demo.pods.get('web-2');
    expect(pod !== undefined, 'web-2 is unknown');
    const started = performance.now();
    demo.pods.set('web-2', { ...pod, server: startServer(pod) });
    await until('web-2 answers again', () => answeredBy(demo, 'web-2'));
    return `web-2 answers ${Math.round(performance.now() - started)} ms after its start`;
  },
};

export const drainPod: Step = {
  title: 'A Pod is drained, and a long download survives',
  explanation:
    'Kubernetes marks a Pod that is about to go as "terminating" in its EndpointSlice. New ' +
    'connections go elsewhere at once; a download that runs already keeps its Pod until its end.',
  run: async (demo) => {
    const { client, tidegate, cluster, pods } = demo;
    const [v4 = ''] = (await tidegate.servedService('default/web')).addresses;
    const download = startDownload(demo, v4);
    const pod = (await download.prints(/x-pod: (\S+)/i))[1] ?? '';
    output(`the download comes from ${pod}`);
    await cluster.writeEndpoints(
      [...pods.values()].map((each) => ({
        pod: each,
        condition: each.name === pod ? 'draining' : 'ready',
      })),
    );
    await until(`${pod} takes no new connections`, async () => {
      const backends = await tidegate.backends('default/web');
      const drained = backends.filter((backend) => backend.pod === `default/${pod}`);
      return drained.every((backend) => backend.use === 'draining') || undefined;
    });
    const url = `${urlOf(v4)}?[1-100]`;
    const words = ['curl', '-s', '-H', 'Connection: close', url];
    showCommand(client, words);
    const counts = countPods(await ask(client, words));
    output(bars(counts));
    expect(!counts.has(pod), `${pod} still gets new connections`);
    const size = await finishDownload(download);
    await cluster.writeEndpoints(
      [...pods.values()].map((each) => ({ pod: each, condition: 'ready' })),
    );
    return `${pod} got no new connection, and its download came whole (${size} bytes)`;
  },
};

export const addPod: Step = {
  title: 'A Pod is added',
  explanation: 'The Deployment is scaled up: a fifth Pod starts, and its endpoint is listed.',
  run: async (demo) => {
    const { cluster, pods, workers } = demo;
    const pod = await startPod(demo, workers[1], 'web-5');
    const start = performance.now();
    await cluster.writeEndpoints(
      [...pods.values()].map((each) => ({ pod: each, condition: 'ready' })),
    );
    await until('web-5 answers', () => answeredBy(demo, pod.name));
    return `web-5 answers ${Math.round(performance.now() - start)} ms after its endpoint appeared`;
  },
};

export const surviveKilledTidegate: Step = {
  title: 'Tidegate itself is killed',
  explanation:
    'The XDP program and its tables are pinned in the kernel. So kill -9 of Tidegate, in the middle ' +
    'of a download and of 100 requests a second, is noticed by nobody.',
  run: async (demo) => {
    const { tidegate, edge } = demo;
    const [v4 = ''] = (await tidegate.servedService('default/web')).addresses;
    const load = await startLoad(demo);
    const download = startDownload(demo, v4);
    await download.prints(/x-pod/i);
    showCommand(edge, ['kill', '-9', String(tidegate.pid())]);
    await tidegate.kill();
    await sleep(DOWN_MS);
    showCommand(edge, tidegate.runCommand);
    await tidegate.start();
    const size = await finishDownload(download);
    const results = await finishLoad(load);
    const failures = results.filter((result) => result.error !== undefined);
    expect(failures.length === 0, `${failures.length} requests failed: ${failures[0]?.error}`);
    return `download whole (${size} bytes), no failure in ${results.length} new connections`;
  },
};

interface Result {
  readonly at: number;
  readonly pod?: string;
  readonly error?: string;
}

export async function startLoad(
  { client, tidegate }: DemoSite,
  service = 'default/web',
): Promise<LabProcess> {
  const [v4 = ''] = (await tidegate.servedService(service)).addresses;
  const program = [process.execPath, programPath('load.ts')];
  const words = [...program, urlOf(v4), String(REQUESTS_PER_SECOND)];
  showCommand(client, words, ' &');
  const load = client.start(words);
  await load.prints(/"pod"/);
  return load;
}

export async function finishLoad(load: LabProcess): Promise<Result[]> {
  await load.stop();
  return load
    .output()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Result);
}

function startDownload({ client }: DemoSite, address: string): LabProcess {
  const url = `${urlOf(address)}download?seconds=${DOWNLOAD_SECONDS}`;
  const summary = '%{size_download} bytes in %{time_total} s';
  const words = ['curl', '-s', '-D', '-', '-o', '/dev/null', '-w', summary, url];
  showCommand(client, words, ' &');
  return client.start(words);
}

/** Waits for its end; throws unless every byte came. */
async function finishDownload(download: LabProcess): Promise<number> {
  expect((await download.exited) === 0, `The download broke: ${download.output()}`);
  const size = Number(/(\d+) bytes/.exec(download.output())?.[1]);
  expect(size === DOWNLOAD_BYTES, `The download brought ${size} bytes, not ${DOWNLOAD_BYTES}`);
  return size;
}

/** True once a Pod is among those that answer the Service. */
async function answeredBy({ client, tidegate }: DemoSite, pod: string): Promise<true | undefined> {
  const [v4 = ''] = (await tidegate.servedService('default/web')).addresses;
  const url = `${urlOf(v4)}?[1-20]`;
  const answers = await client.finish(['curl', '-s', '-H', 'Connection: close', url]);
  return countPods(answers.stdout).has(pod) || undefined;
}
