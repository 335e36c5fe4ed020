import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFilesSource } from '../cluster/files/files-source.ts';
import type { Log } from '../domain/log.ts';
import type { Problem } from '../domain/problem.ts';
import { allocate } from '../plan/allocate.ts';
import { advertisementProblems } from '../plan/announcing/advertisement-problems.ts';
import { bgpProblems } from '../plan/bgp/bgp-problems.ts';
import { realClock } from '../system/real-clock.ts';

/** The problems are the answer; nobody reads them twice. */
const SILENT: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => SILENT,
};

/** Which Services are ours does not matter here: pools are judged for all. */
const ANY_SERVICE = { class: '', handleUnclassed: true, scopeSharingKeys: false };

/** Reads a folder of manifests as a box would that starts with nothing, and says what is wrong. */
export async function checkManifests(folder: string): Promise<readonly Problem[]> {
  const scratch = await mkdtemp(join(tmpdir(), 'tidegate-check-'));
  try {
    const source = await openFilesSource({
      path: folder,
      statusLedger: join(scratch, 'status.ledger'),
      writable: false,
      clock: realClock,
      log: SILENT,
    });
    const snapshot = source.current();
    await source.stop();
    return [
      ...snapshot.problems,
      ...allocate(undefined, snapshot, ANY_SERVICE).problems,
      ...advertisementProblems(snapshot),
      ...bgpProblems(snapshot),
    ];
  } finally {
    await rm(scratch, { recursive: true });
  }
}
