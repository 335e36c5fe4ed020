import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import type { Labels } from '../../../domain/object.ts';
import { formatProblem, type Problem } from '../../../domain/problem.ts';
import type { Snapshot } from '../../../domain/snapshot.ts';
import { advertisementProblems } from '../../../plan/announcing/advertisement-problems.ts';
import { bgpProblemsOf } from '../../../plan/bgp/bgp-problems.ts';
import { createComplaints } from '../reflector/complaints.ts';
import type { ApiConnection } from '../transport/connection.ts';
import {
  CONFIGURATION_CHECK_MS,
  CONFIGURATION_SETTLE_MS,
} from '../write/configuration-reporter.ts';
import { createConfigurationStateWriter } from '../write/configuration-state-writer.ts';

export interface SpeakerConfigurationOptions {
  readonly connection: Pick<ApiConnection, 'request'>;
  /** Where MetalLB's objects are. */
  readonly namespace: string;
  readonly box: string;
  /** The EdgeNode, that it goes with. */
  readonly owner: () => object | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** The ConfigurationState `speaker-<box>`: what is wrong with what this box is to announce by. */
export interface SpeakerConfiguration {
  /** The newest snapshot, and the labels that the box has by its settings. */
  look(snapshot: Snapshot, labels: Labels): void;
  /** Why it cannot be written now; `undefined` when it can. */
  trouble(): unknown;
  stop(): Promise<void>;
}

/** MetalLB's name for the part of its speakers that reads the configuration. */
const CONDITION = 'configReconcilerValid';
/** Kinds that operators configure announcing with. */
const CONFIGURATION: ReadonlySet<string> = new Set([
  'IPAddressPool',
  'L2Advertisement',
  'BGPPeer',
  'BGPAdvertisement',
  'BFDProfile',
  'Community',
  'Secret',
]);

export function createSpeakerConfiguration(
  options: SpeakerConfigurationOptions,
): SpeakerConfiguration {
  const { box, clock } = options;
  const complaints = createComplaints(options.log, clock, WORDS);
  let isStopped = false;
  const write = createConfigurationStateWriter({
    ...options,
    name: `speaker-${box}`,
    labels: { 'metallb.io/component-type': 'speaker', 'metallb.io/node-name': box },
    condition: CONDITION,
    mayWrite: () => !isStopped,
  });
  let latest: Input | undefined;
  let judged: Input | undefined;
  let problems: readonly Problem[] = [];
  let said: string | undefined;
  let saidMs = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;
  let cancel: (() => void) | undefined;

  function schedule(delayMs: number) {
    if (isStopped) return;
    cancel = clock.after(delayMs, () => {
      cancel = undefined;
      running = pass().finally(() => {
        running = undefined;
        schedule(CONFIGURATION_SETTLE_MS);
      });
    });
  }

  async function pass() {
    if (!latest || latest.snapshot.remembered) return;
    if (!judged || !isSame(judged, latest)) problems = problemsOf(latest, box);
    judged = latest;
    const text = problems.map(formatProblem).join('\n');
    const nowMs = clock.monotonicMs();
    // What others have deleted or changed is written again now and then.
    if (text === said && nowMs - saidMs < CONFIGURATION_CHECK_MS) return;
    saidMs = nowMs;
    said = text;
    try {
      await write(problems);
      complaints.recovered();
    } catch (error) {
      // It is tried again as what others have changed is.
      complaints.failed(error, { box });
    }
  }

  return {
    look(snapshot, labels) {
      const isFirst = latest === undefined;
      latest = { snapshot, labels };
      if (isFirst) schedule(CONFIGURATION_SETTLE_MS);
    },
    trouble: complaints.trouble,
    async stop() {
      isStopped = true;
      cancel?.();
      await running;
    },
  };
}

const WORDS = {
  failed: 'Cannot write what is wrong with the configuration; trying again',
  recovered: 'What is wrong with the configuration can be written again',
};

interface Input {
  readonly snapshot: Snapshot;
  readonly labels: Labels;
}

/** What problems follow from. */
const FIELDS = [
  'pools',
  'l2Advertisements',
  'bgpPeers',
  'bgpAdvertisements',
  'bfdProfiles',
  'communities',
  'secrets',
  'edgeNodes',
  'nodes',
  'problems',
] as const;

function isSame(a: Input, b: Input): boolean {
  return a.labels === b.labels && FIELDS.every((field) => a.snapshot[field] === b.snapshot[field]);
}

/** What is wrong with objects that a box is to announce by. */
function problemsOf({ snapshot, labels }: Input, box: string): readonly Problem[] {
  return [
    ...snapshot.problems.filter(({ object }) => object && CONFIGURATION.has(object.kind)),
    ...advertisementProblems(snapshot),
    ...bgpProblemsOf(snapshot, { name: box, labels }),
  ];
}
