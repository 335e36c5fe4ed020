import type { Log } from '../domain/log.ts';
import { formatProblem } from '../domain/problem.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { Store } from './store.ts';

/** Logs each problem when it comes and when it goes. */
export function logProblems(store: Store, log: Log): () => void {
  let told = new Set<string>();
  return store.subscribe((snapshot: Snapshot) => {
    const now = new Map(snapshot.problems.map((problem) => [formatProblem(problem), problem]));
    for (const [line, { severity }] of now) {
      if (!told.has(line)) log[severity === 'error' ? 'error' : 'warn'](line);
    }
    for (const line of told) if (!now.has(line)) log.info(`No longer: ${line}`);
    told = new Set(now.keys());
  });
}
