import type { Clock } from '../../domain/clock.ts';
import type { CheckHealth, CheckId } from '../../domain/health.ts';
import type { Log } from '../../domain/log.ts';
import type { Json } from '../../system/json.ts';
import { type LedgerWriter, openLedger } from '../../system/ledger.ts';
import type { HealthChanges } from './tracker.ts';

/** Pause before what could not be written is tried again, ms. */
const RETRY_MS = 1_000;

/**
 * The health of checks over a restart of the process. It lies in the run directory and goes with a
 * reboot, as the pinned maps do. Nothing waits for it: without a disk, checking works as ever.
 */
export interface Memory {
  /** What an earlier process knew. */
  readonly remembered: ReadonlyMap<CheckId, CheckHealth>;
  /** Writes soon; changes meanwhile go together. */
  save(changes: HealthChanges): void;
  /** Writes what is left and closes. */
  close(): Promise<void>;
}

export async function openMemory(path: string, clock: Clock, log: Log): Promise<Memory> {
  const ledger = await openLedger(path, { durable: false });
  for (const damage of ledger.damage) log.warn('Part of the health ledger was lost', { damage });
  let unsaved = new Map<CheckId, CheckHealth | undefined>();
  let writing: Promise<void> | undefined;
  let cancelRetry: (() => void) | undefined;
  let failing = false;

  async function write() {
    while (unsaved.size > 0) {
      const batch = unsaved;
      unsaved = new Map();
      try {
        await ledger.put(encode(batch));
        failing = false;
      } catch (error) {
        unsaved = new Map([...batch, ...unsaved]);
        if (!failing) log.warn('Health would not survive a restart', { error });
        failing = true;
        cancelRetry = clock.after(RETRY_MS, flush);
        return;
      }
    }
  }

  function flush(): Promise<void> {
    cancelRetry?.();
    cancelRetry = undefined;
    writing ??= write().finally(() => {
      writing = undefined;
    });
    return writing;
  }

  return {
    remembered: decode(ledger, log),
    save(changes) {
      for (const [id, health] of changes) unsaved.set(id, health);
      if (!failing) void flush();
    },
    async close() {
      await flush();
      cancelRetry?.();
      await ledger.close();
    },
  };
}

function* encode(batch: HealthChanges): Iterable<readonly [string, Json | undefined]> {
  for (const [id, health] of batch) {
    yield [id, health && encodeHealth(health)];
  }
}

function encodeHealth({ state, sinceMs, reason, status }: CheckHealth): Json {
  return { state, since: sinceMs, reason, ...(status !== undefined && { status }) };
}

function decode(ledger: LedgerWriter, log: Log): Map<CheckId, CheckHealth> {
  const remembered = new Map<CheckId, CheckHealth>();
  for (const [id, value] of ledger.entries) {
    const health = decodeHealth(value);
    if (health) remembered.set(id, health);
    else log.warn('Entry of the health ledger is not understood', { check: id });
  }
  return remembered;
}

function decodeHealth(value: Json): CheckHealth | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { state, since, reason, status } = value as { readonly [key: string]: Json };
  if (state !== 'up' && state !== 'down') return undefined;
  if (typeof since !== 'number' || typeof reason !== 'string') return undefined;
  return { state, sinceMs: since, reason, ...(typeof status === 'number' && { status }) };
}
