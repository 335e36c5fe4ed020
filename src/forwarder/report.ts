import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import type { VipServing } from '../domain/observed.ts';
import type { Json } from '../system/json.ts';
import type { LedgerWriter } from '../system/ledger.ts';
import { encodeServing, READY_KEY } from '../system/reports.ts';

/**
 * Tells the other roles of this box which VIPs can be served. Written behind the maps, never ahead
 * of them; only changes; several that come while one is being written go together.
 */
export interface ServingReport {
  /** By address text; `undefined` when nobody holds the address any more. */
  say(serving: ReadonlyMap<string, VipServing | undefined>): void;
  sayReady(ready: boolean): void;
  /** Addresses in the report, as an earlier process or this one said. */
  addresses(): readonly string[];
  /** Writes what is left to be said and closes the file. The report stays. */
  close(): Promise<void>;
}

const RETRY_MS = 1000;

export function createReport(ledger: LedgerWriter, clock: Clock, log: Log): ServingReport {
  /** What is to be written, over what is written. */
  let pending = new Map<string, Json | undefined>();
  let writing: Promise<void> | undefined;

  function current(key: string): Json | undefined {
    return pending.has(key) ? pending.get(key) : ledger.entries.get(key);
  }

  function say(key: string, value: Json | undefined): void {
    if (isSame(current(key), value)) return;
    pending.set(key, value);
    writing ??= write();
  }

  async function write(): Promise<void> {
    // A turn later, so that what one pass says goes into one write.
    await Promise.resolve();
    while (pending.size > 0) {
      const batch = pending;
      pending = new Map();
      try {
        await ledger.put(batch);
      } catch (error) {
        pending = new Map([...batch, ...pending]);
        log.error('Cannot write the report; will try again', { error });
        clock.after(RETRY_MS, () => {
          writing ??= write();
        });
        break;
      }
    }
    writing = undefined;
  }

  return {
    say(serving) {
      for (const [key, value] of serving) say(key, value && encodeServing(value));
    },
    sayReady(ready) {
      const before = current(READY_KEY) as { readonly ready?: Json } | undefined;
      if (before?.ready !== ready) say(READY_KEY, { ready, atMs: clock.wallMs() });
    },
    addresses: () => [...ledger.entries.keys()].filter((key) => key !== READY_KEY),
    async close() {
      await writing;
      await ledger.close();
    },
  };
}

/**
 * Equal but for the revision: it moves with every change of the cluster, and would make each one
 * news.
 */
function isSame(a: Json | undefined, b: Json | undefined): boolean {
  return isDeepStrictEqual(withoutRevision(a), withoutRevision(b));
}

function withoutRevision(value: Json | undefined): Json | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const { revision, ...rest } = value as { readonly [key: string]: Json };
  return rest;
}
