import { startReflector } from '../reflector/reflector.ts';
import type { Leader, LeaderOptions } from './leader.ts';
import { decodeLease } from './lease.ts';
import { type LeaseWatch, runLeader } from './run-leader.ts';

/** A watch of the Lease that shows no sign for so long is opened again; reading goes on besides. */
const WATCH_IDLE_MS = 60_000;

/** Begins to stand for leadership. Failures are logged and tried again; it never rejects. */
export function startLeader(options: LeaderOptions): Leader {
  return runLeader(options, (seen) => watchLease(options, seen));
}

function watchLease(
  { connection, namespace, name, clock, log, random }: LeaderOptions,
  seen: Parameters<LeaseWatch>[0],
): () => Promise<void> {
  const reflector = startReflector({
    connection,
    kind: 'Lease',
    path: `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`,
    fieldSelector: `metadata.name=${name}`,
    idleTimeoutMs: WATCH_IDLE_MS,
    ...{ clock, log, random },
    sink: {
      replace: ([object]) => seen(decodeLease(object)),
      apply(events) {
        for (const { type, object } of events) {
          seen(type === 'DELETED' ? undefined : decodeLease(object));
        }
      },
    },
  });
  return () => reflector.stop();
}
