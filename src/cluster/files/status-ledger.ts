import type { ObjectKey } from '../../domain/object.ts';
import type { Problem } from '../../domain/problem.ts';
import type { ServiceStatus } from '../../domain/service.ts';
import { type LedgerReader, type LedgerWriter, openLedger } from '../../system/ledger.ts';
import { lockFile } from '../../system/process-lock.ts';
import { watchLedger } from '../../system/watch-ledger.ts';
import type { Store } from '../store.ts';
import { decodeServiceStatus, encodeServiceStatus } from './service-status.ts';

/** The statuses of Services, from a ledger into the store and back. */
export interface StatusLedger {
  /** As `ClusterSource.writeStatuses`; here it is all or nothing. */
  write(changes: ReadonlyMap<ObjectKey, ServiceStatus | undefined>): Promise<void>;
  close(): Promise<void>;
}

/** Where the store keeps what is wrong with the ledger; no file of a folder has such a path. */
const DOCUMENT = '/status';

/**
 * Opens the ledger and puts what it says into the store. Rejects with `ELOCKED` when another process
 * writes it. An entry that cannot be read becomes a problem, and stays in the file until it is
 * written anew.
 */
export async function openStatusLedger(
  path: string,
  writable: boolean,
  store: Store,
): Promise<StatusLedger> {
  const broken = new Map<ObjectKey, readonly Problem[]>();
  const ledger = writable ? await openLocked(path) : watchLedger(path, (keys) => load(keys));

  function load(keys: Iterable<ObjectKey>) {
    const changes = [...keys].map((key) => [key, read(key)] as const);
    store.setStatuses(changes);
    tellProblems();
  }

  function read(key: ObjectKey): ServiceStatus | undefined {
    broken.delete(key);
    const entry = ledger.entries.get(key);
    if (entry === undefined) return undefined;
    const { value, problems } = decodeServiceStatus(entry);
    if (value === undefined)
      broken.set(
        key,
        problems.map((one) => inLedger(one, key, path)),
      );
    return value;
  }

  function tellProblems() {
    const failure = 'failure' in ledger ? ledger.failure : undefined;
    const problems = [...damageOf(ledger, path), ...[...broken.values()].flat()];
    if (failure) problems.push(unreadable(failure, path));
    store.replace(DOCUMENT, [], problems);
  }

  load(ledger.entries.keys());
  return {
    async write(changes) {
      if (!('put' in ledger)) throw readOnly(path);
      await ledger.put(
        [...changes].map(([key, status]) => [key, status && encodeServiceStatus(status)] as const),
      );
      for (const key of changes.keys()) broken.delete(key);
      store.setStatuses(changes);
      tellProblems();
      store.publish();
    },
    async close() {
      await ledger.close();
    },
  };
}

async function openLocked(path: string): Promise<LedgerWriter> {
  const lock = lockFile(`${path}.lock`);
  try {
    return await openLedger(path, { durable: true, lock });
  } catch (cause) {
    lock.release();
    throw cause;
  }
}

function inLedger(problem: Problem, key: ObjectKey, file: string): Problem {
  return {
    ...problem,
    object: { kind: 'Service', key },
    position: { file },
    message: `The saved status cannot be read: ${problem.message}`,
    remedy: 'It counts as empty and is written anew; restore the file if an address must be kept',
  };
}

function damageOf(ledger: LedgerReader | LedgerWriter, file: string): Problem[] {
  return ledger.damage.map(({ line, kind, message }) => ({
    severity: kind === 'torn' ? 'warning' : 'error',
    position: { file, line },
    message,
    remedy:
      'Look whether the disk is sound; the status of a Service is written anew when it changes',
  }));
}

function unreadable(failure: Error, file: string): Problem {
  return {
    severity: 'error',
    position: { file },
    message: `The saved statuses cannot be read: ${failure.message}`,
    remedy: 'Give this process the right to read the file',
  };
}

function readOnly(path: string): Error {
  const message = `Cannot write Service status to "${path}": this process was opened for reading`;
  return Object.assign(new Error(message), { code: 'EROFS' });
}
