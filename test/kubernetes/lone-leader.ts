import { createInterface } from 'node:readline';
import { startLeader } from '../../src/cluster/kubernetes/leader/start-leader.ts';
import { openConnection } from '../../src/cluster/kubernetes/transport/connection.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

/**
 * A program that stands for leadership: `node lone-leader.ts KUBECONFIG NAMESPACE`. Says `leads` and
 * `does not lead`; answers each line of its input by beginning a change: `begun` or `refused`.
 */
const [kubeconfig, namespace = ''] = process.argv.slice(2);
const log = recordingLog();
const connection = await openConnection({
  ...{ kubeconfig, context: undefined, userAgent: 'tidegate/test', clock: realClock, log },
});
const leader = startLeader({
  ...{ connection, namespace, name: 'controller', identity: 'child', clock: realClock, log },
  durations: { durationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 500 },
  random: Math.random,
  takeOver: async () => {},
});
const say = () => console.log(leader.leads() ? 'leads' : 'does not lead');
leader.subscribe(say);
const entry = { service: 'default/late', uid: 'u', resourceVersion: '1', addresses: [] };
createInterface(process.stdin).on('line', () => {
  leader.begin([entry]).then(
    () => console.log('begun'),
    (error) => console.log(`refused: ${error.message}`),
  );
});
