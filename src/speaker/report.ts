import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import type { VipAnnouncement } from '../domain/observed.ts';
import type { Json } from '../system/json.ts';
import { openLedger } from '../system/ledger.ts';
import type { ProcessLock } from '../system/process-lock.ts';
import { decodeAnnouncement, encodeAnnouncement, SPEAKER_REPORT } from '../system/reports.ts';

/** How an address stands now, before the time of its last change is known. */
export type AnnouncementState = Omit<VipAnnouncement, 'sinceMs'>;

/** The speaker's report to the other roles, by address text. */
export interface Report {
  current(): ReadonlyMap<string, VipAnnouncement>;
  /** States how addresses stand; `undefined` forgets one. On disk a moment later. */
  set(changes: Iterable<readonly [string, AnnouncementState | undefined]>): void;
  /** Resolves when everything stated is on disk, or could not be written. */
  close(): Promise<void>;
}

const RETRY_MS = 1000;

/** Opens the report and takes over what an earlier speaker said. Rejects with file system errors. */
export async function openReport(
  runDir: string,
  lock: ProcessLock,
  clock: Clock,
  log: Log,
): Promise<Report> {
  const ledger = await openLedger(join(runDir, SPEAKER_REPORT), { durable: false, lock });
  const current = new Map<string, VipAnnouncement>();
  for (const [text, json] of ledger.entries) {
    const announcement = decodeAnnouncement(json);
    if (announcement) current.set(text, announcement);
  }
  let unwritten = new Map<string, Json | undefined>();
  let writing: Promise<boolean> | undefined;
  let cancelRetry = () => {};

  /** Writes until nothing is left, one put at a time; false when the disk refuses. */
  async function write(): Promise<boolean> {
    while (unwritten.size > 0) {
      const batch = unwritten;
      unwritten = new Map();
      try {
        await ledger.put(batch);
      } catch (error) {
        unwritten = new Map([...batch, ...unwritten]);
        log.error('Cannot write the report on announcements; trying again', { error });
        return false;
      }
    }
    return true;
  }

  async function flush(): Promise<void> {
    cancelRetry();
    writing ??= write().finally(() => {
      writing = undefined;
    });
    if (!(await writing)) cancelRetry = clock.after(RETRY_MS, () => void flush());
  }

  return {
    current: () => current,
    set(changes) {
      for (const [text, state] of changes) {
        const before = current.get(text);
        if (!state) {
          if (before) unwritten.set(text, undefined);
          current.delete(text);
          continue;
        }
        const sinceMs = before?.announced === state.announced ? before.sinceMs : clock.wallMs();
        const next = { ...state, sinceMs };
        if (isDeepStrictEqual(before, next)) continue;
        current.set(text, next);
        unwritten.set(text, encodeAnnouncement(next));
      }
      if (unwritten.size > 0) void flush();
    },
    async close() {
      await flush();
      cancelRetry();
      await ledger.close();
    },
  };
}
