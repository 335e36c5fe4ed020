import { join } from 'node:path';
import { KeyedMap } from '../domain/keyed-map.ts';
import type { VipServing } from '../domain/observed.ts';
import { decodeServing, FORWARDER_REPORT, READY_KEY } from '../system/reports.ts';
import { watchLedger } from '../system/watch-ledger.ts';

/** What the forwarder says it can serve, by address text. */
export interface ServingWatch {
  current(): KeyedMap<VipServing>;
  /** Whether a forwarder has spoken at all since this box booted. */
  hasSpoken(): boolean;
  close(): void;
}

/** Follows the forwarder's report; `onChange` is called after each change, never during this call. */
export function watchServing(runDir: string, onChange: () => void): ServingWatch {
  let current = KeyedMap.empty<VipServing>();
  const ledger = watchLedger(join(runDir, FORWARDER_REPORT), (changedKeys) => {
    take(changedKeys);
    onChange();
  });
  const take = (keys: Iterable<string>) => {
    const changes = [...keys].map((key) => [key, decodeServing(ledger.entries.get(key))] as const);
    current = current.withAll(changes);
  };
  take(ledger.entries.keys());
  return {
    current: () => current,
    hasSpoken: () => ledger.entries.has(READY_KEY),
    close: () => ledger.close(),
  };
}
