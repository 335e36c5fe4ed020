import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A file that stands in the run directory while a speaker is at work. */
export interface RestartMarker {
  /** An earlier speaker died here without saying farewell: its peers may hold its routes (RFC 4724). */
  readonly found: boolean;
  /** Before a stop on purpose is over, so that the next start is not taken for a restart. */
  remove(): Promise<void>;
}

const MARKER = 'bgp-speaking';

/**
 * Sets the marker, and says whether it stood there already. The run directory lives as long as the pinned
 * maps: a found marker also says that packets were forwarded meanwhile. Rejects with file system errors.
 */
export async function setRestartMarker(runDir: string): Promise<RestartMarker> {
  const path = join(runDir, MARKER);
  await mkdir(runDir, { recursive: true });
  const found = await open(path, 'wx', 0o640).then(
    async (handle) => {
      await handle.close();
      return false;
    },
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return true;
      throw error;
    },
  );
  return { found, remove: () => rm(path, { force: true }) };
}
