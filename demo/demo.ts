/**
 * `npm run demo`: a small data centre in network namespaces, with Tidegate at its edge.
 *
 *     npm run demo                 builds it, shows it, checks it, removes it
 *     npm run demo -- --kubernetes the same on a real API server, instead of a folder of manifests
 *     npm run demo -- --keep       leaves it running, and says how to look around
 *     npm run demo -- --remove     removes what --keep left
 */
import { parseArgs, styleText } from 'node:util';
import { buildEdgeSite } from '../lab/edge-site.ts';
import { createLab, labExists, removeLab } from '../lab/lab.ts';
import { apiServer } from './cluster/api-server.ts';
import { manifestFolder } from './cluster/manifest-folder.ts';
import { buildDemoSite, type DemoSite } from './demo-site.ts';
import { allocateAddress, announceAddress, startTidegate } from './steps/address.ts';
import {
  addPod,
  drainPod,
  surviveKilledPod,
  surviveKilledTidegate,
  takePodBack,
} from './steps/changes.ts';
import { KUBERNETES_STEPS } from './steps/kubernetes.ts';
import { explainService, lookAtStatus } from './steps/look.ts';
import {
  askOverHttp,
  askOverUdp,
  spreadOverPods,
  stickToPods,
  useNodePorts,
} from './steps/requests.ts';
import { ROUTE_STEPS } from './steps/routes.ts';
import type { Step } from './steps/step.ts';
import { explain, failed, heading, output, passed, table } from './transcript.ts';

/** Id of a demo that is kept; one that is not kept has an id of its own and disturbs nobody. */
const KEPT = 'tg-demo';

const FIRST_STEPS: readonly Step[] = [
  startTidegate,
  allocateAddress,
  announceAddress,
  askOverHttp,
  askOverUdp,
  spreadOverPods,
  stickToPods,
  useNodePorts,
  surviveKilledPod,
  takePodBack,
  drainPod,
  addPod,
  surviveKilledTidegate,
];

const LAST_STEPS: readonly Step[] = [lookAtStatus, explainService];

const PICTURE = `
     client ──── router ──┬── edge ────┬── worker-1   Pods web-1, web-2
                          │  Tidegate  │
          Service addresses            ├── worker-2   Pods web-3, web-4
          live on this segment         │
                 └─────────── edge-2 ──┘
                      a second box, for BGP
`;

const KEEP_ALIVE_MS = 2 ** 30;

interface Outcome {
  readonly step: Step;
  readonly state: 'passed' | 'failed' | 'not run';
  readonly text: string;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kubernetes: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      remove: { type: 'boolean', default: false },
    },
  });
  if (values.remove) {
    removeLab(KEPT);
    console.log('The kept demo is removed.');
    return 0;
  }
  if (values.keep && labExists(KEPT)) {
    console.error('A kept demo is there already. Remove it first: npm run demo -- --remove');
    return 2;
  }
  const start = performance.now();
  const lab = values.keep ? createLab(KEPT) : createLab();
  console.log(styleText('bold', 'Tidegate: a load balancer at the edge of a bare-metal cluster'));
  console.log(PICTURE);
  explain('Each of these is a network namespace of this machine; the programs in them are real.');
  const site = buildEdgeSite(lab);
  const cluster = values.kubernetes
    ? await apiServer(lab, site)
    : manifestFolder(`${lab.directory}/manifests`, site.edge);
  const demo = await buildDemoSite(lab, site, cluster);
  const extra = cluster.api ? KUBERNETES_STEPS : [];
  const outcomes = await runSteps(demo, [...FIRST_STEPS, ...extra, ...ROUTE_STEPS, ...LAST_STEPS]);
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  summarize(outcomes, seconds);
  if (values.keep) await keep(demo);
  else lab.remove();
  return outcomes.every(({ state }) => state === 'passed') ? 0 : 1;
}

/** A folder and what uses it live on by themselves; an API server lives as long as this process. */
async function keep(demo: DemoSite): Promise<void> {
  showWayAround(demo);
  if (!demo.cluster.api) {
    demo.lab.keep();
    return;
  }
  console.log('\nIt ends with Ctrl-C.');
  await new Promise(() => setInterval(() => {}, KEEP_ALIVE_MS));
}

async function runSteps(demo: DemoSite, steps: readonly Step[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let stopped = false;
  for (const [index, step] of steps.entries()) {
    if (stopped) {
      outcomes.push({ step, state: 'not run', text: '' });
      continue;
    }
    heading(index + 1, step.title);
    explain(step.explanation);
    try {
      const text = await step.run(demo);
      passed(text);
      outcomes.push({ step, state: 'passed', text });
    } catch (error) {
      failed((error as Error).message);
      explain('The last lines of the log of Tidegate:');
      output(demo.tidegate.logTail());
      const [text = ''] = (error as Error).message.split('\n');
      outcomes.push({ step, state: 'failed', text });
      stopped = step.essential ?? false;
    }
  }
  return outcomes;
}

function summarize(outcomes: readonly Outcome[], seconds: string): void {
  console.log(`\n${styleText('bold', '     What was seen')}`);
  const marks = { passed: '✔', failed: '✘', 'not run': '-' };
  table([
    ['', 'step', 'result'],
    ...outcomes.map(({ step, state, text }) => [marks[state], step.title, text || state]),
  ]);
  const good = outcomes.filter(({ state }) => state === 'passed').length;
  console.log(`\n${good} of ${outcomes.length} steps passed in ${seconds} s`);
}

function showWayAround({ lab, edge, client, tidegate, cluster }: DemoSite): void {
  const inside = (netns: string) => `nsenter --net=/run/netns/${netns}`;
  console.log(`\nIt keeps running. Look around, as root:`);
  output(`
a shell at the client   ${inside(client.netns)}
a shell at the edge     ${inside(edge.netns)}
how it stands           ${tidegate.command('status').join(' ')}
${cluster.wayIn.map(([what, how]) => `${what.padEnd(23)} ${how}\n`).join('')}logs of every program   ${lab.directory}/*.log`);
  if (!cluster.api) output('remove it               npm run demo -- --remove');
}

process.exit(await main());
