/**
 * `npm run demo`: a small data centre in network namespaces, with Tidegate at its edge.
 *
 *     npm run demo                 builds it, shows it, checks it, removes it
 *     npm run demo -- --keep       leaves it running, and says how to look around
 *     npm run demo -- --remove     removes what --keep left
 */
import { parseArgs, styleText } from 'node:util';
import { createLab, labExists, removeLab } from '../lab/lab.ts';
import { buildDemoSite, type DemoSite } from './demo-site.ts';
import { allocateAddress, announceAddress, startTidegate } from './steps/address.ts';
import {
  addPod,
  drainPod,
  surviveKilledPod,
  surviveKilledTidegate,
  takePodBack,
} from './steps/changes.ts';
import { explainService, lookAtStatus } from './steps/look.ts';
import {
  askOverHttp,
  askOverUdp,
  spreadOverPods,
  stickToPods,
  useNodePorts,
} from './steps/requests.ts';
import type { Step } from './steps/step.ts';
import { explain, failed, heading, output, passed, table } from './transcript.ts';

/** Id of a demo that is kept; one that is not kept has an id of its own and disturbs nobody. */
const KEPT = 'tg-demo';

const STEPS: readonly Step[] = [
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
  lookAtStatus,
  explainService,
];

const PICTURE = `
     client ──── router ──┬── edge box ──┬── worker-1   Pods web-1, web-2
                          │   Tidegate   │
          Service addresses              └── worker-2   Pods web-3, web-4
          live on this segment
`;

interface Outcome {
  readonly step: Step;
  readonly state: 'passed' | 'failed' | 'not run';
  readonly text: string;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { keep: { type: 'boolean' }, remove: { type: 'boolean' } },
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
  const demo = await buildDemoSite(lab);
  const outcomes = await runSteps(demo);
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  summarize(outcomes, seconds);
  if (values.keep) {
    lab.keep();
    showWayAround(demo);
  } else {
    lab.remove();
  }
  return outcomes.every(({ state }) => state === 'passed') ? 0 : 1;
}

async function runSteps(demo: DemoSite): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let stopped = false;
  for (const [index, step] of STEPS.entries()) {
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

function showWayAround({ lab, edge, client, tidegate, manifests }: DemoSite): void {
  const inside = (netns: string) => `nsenter --net=/run/netns/${netns}`;
  console.log(`\nIt keeps running. Look around, as root:`);
  output(`
a shell at the client   ${inside(client.netns)}
a shell at the edge     ${inside(edge.netns)}
how it stands           ${tidegate.command('status').join(' ')}
manifests, live         ${manifests.folder}
logs of every program   ${lab.directory}/*.log
remove it               npm run demo -- --remove`);
}

process.exit(await main());
