import { type Address, formatAddress } from '../../../domain/address.ts';
import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import type { ObjectKey } from '../../../domain/object.ts';
import type { ServiceEvent, ServiceStatus } from '../../../domain/service.ts';
import { isKubeObject, type KubeObject } from '../kube-object.ts';
import type { JournalEntry } from '../leader/journal.ts';
import type { Leader } from '../leader/leader.ts';
import { addressesOf } from '../status/api-status.ts';
import { type StatusBase, statusBaseOf } from '../status/status-base.ts';
import { type StatusPatch, statusPatch } from '../status/status-patch.ts';
import { ApiError } from '../transport/api-error.ts';
import type { ApiConnection } from '../transport/connection.ts';
import { parallel } from '../transport/parallel.ts';
import { createContest } from './contest.ts';
import type { EventRecorder } from './event-recorder.ts';
import { FIELD_MANAGER } from './field-manager.ts';
import { type Hold, holdersOf, holdState } from './hold.ts';
import { type Failure, failureOf } from './outcome.ts';
import { given, kept, type Move, nextRound, taken } from './rounds.ts';
import { createSaidEvents, type SaidEvents, subjectOf } from './said-events.ts';
import { contestOf } from './stand-off.ts';

/** Patches under way at once. */
export const WRITES_IN_FLIGHT = 16;
/** Address changes noted in the journal at once; it has its place in one annotation. */
export const JOURNAL_BATCH = 256;

export interface StatusWriterOptions {
  readonly connection: Pick<ApiConnection, 'request'>;
  readonly leader: Pick<Leader, 'leads' | 'begin' | 'end' | 'pending' | 'term'>;
  readonly events: EventRecorder;
  /** The newest that is known of a Service. */
  readonly baseOf: (service: ObjectKey) => StatusBase | undefined;
  /** Called with each written (or newly read) Service before `write` resolves. */
  readonly onWritten: (object: KubeObject) => void;
  /** The events said about a Service changed, without anything written to it. */
  readonly onEvents: (service: ObjectKey) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface StatusWriter {
  /**
   * Writes statuses (`undefined` gives a Service back), addresses that are taken away before they are
   * given to others. The result tells what could not be written, and why. Rejects when nothing could
   * be: not leading, the API away.
   */
  write(
    changes: ReadonlyMap<ObjectKey, ServiceStatus | undefined>,
  ): Promise<ReadonlyMap<ObjectKey, Error>>;
  /** What was said about a Service by this process, by its uid; goes into `statusOf`. */
  eventsOf(uid: string): readonly ServiceEvent[];
}

export function createStatusWriter(options: StatusWriterOptions): StatusWriter {
  return new Writer(options);
}

/** What one Service is to say, and what that does to its addresses. */
interface Task extends Move {
  readonly key: ObjectKey;
  readonly base: StatusBase;
  readonly wanted: ServiceStatus | undefined;
}

interface Failed {
  readonly failure: Failure;
  readonly error: Error;
}

/** How a batch goes. */
interface Batch {
  readonly errors: Map<ObjectKey, Error>;
  /** Failures in a row that are the server's; after `WRITES_IN_FLIGHT` nothing more is sent. */
  troubles: number;
  /** The server took or refused something. */
  answered: boolean;
}

/** One batch at a time: the controller awaits it. A class, since it is all state. */
class Writer implements StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #contest = createContest();
  readonly #said: SaidEvents;
  readonly #holds = new Map<ObjectKey, Hold>();
  #term = 0;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#said = createSaidEvents(options.events);
  }

  eventsOf(uid: string): readonly ServiceEvent[] {
    return this.#said.of(uid);
  }

  async write(
    changes: ReadonlyMap<ObjectKey, ServiceStatus | undefined>,
  ): Promise<ReadonlyMap<ObjectKey, Error>> {
    this.#checkLeads();
    this.#forgetEarlierTerm();
    const batch: Batch = { errors: new Map(), troubles: 0, answered: false };
    await this.#settleHolds(batch);
    const moves: Task[] = [];
    const others: Task[] = [];
    for (const [key, wanted] of changes) {
      const task = this.#prepare(key, wanted, batch);
      if (task) (isMove(task) ? moves : others).push(task);
    }
    await this.#inOrder(moves, batch);
    await parallel(others, WRITES_IN_FLIGHT, (task) => this.#sendOne(task, batch));
    const [first] = batch.errors.values();
    if (first && !batch.answered && batch.errors.size === changes.size) throw first;
    return batch.errors;
  }

  /** Tells what is to be sent; what is not to be, or cannot, is settled right here. */
  #prepare(key: ObjectKey, wanted: ServiceStatus | undefined, batch: Batch): Task | undefined {
    const base = this.#options.baseOf(key);
    if (!base) return undefined;
    const task: Task = { key, base, wanted, from: addressesOf(base), to: wanted?.addresses ?? [] };
    if (!statusPatch(base, wanted)) {
      if (this.#say(task)) this.#options.onEvents(key);
      if (this.#endHold(base, key)) return undefined;
      batch.answered = true;
      batch.errors.set(key, failed(key, 'it may say something else by now'));
      return undefined;
    }
    const error = this.#objectionTo(task);
    if (!error) return task;
    batch.answered = true;
    this.#fail(task, { failure: 'refused', error }, batch);
    return undefined;
  }

  /**
   * It says what it should: nothing is in question, unless something else may be there by now. Then it
   * has to be asked for again.
   */
  #endHold({ resourceVersion }: StatusBase, key: ObjectKey): boolean {
    const hold = this.#holds.get(key);
    const isCurrent = hold?.resourceVersion !== resourceVersion;
    const isOver = isCurrent || !(hold.underWay || hold.stale);
    if (isOver) this.#holds.delete(key);
    return isOver;
  }

  #objectionTo(task: Task): Error | undefined {
    const { key, base, wanted } = task;
    if (this.#holds.get(key)?.underWay) {
      return failed(key, 'what was written before may still arrive');
    }
    if (base.deleting && given(task).length > 0) return failed(key, 'it is being deleted');
    if (!wanted) return undefined;
    const leave = this.#contest.mayWrite(base, this.#options.clock.monotonicMs());
    if (leave.allowed) return undefined;
    if (leave.begins) void this.#standOff(task, leave.pauseMs);
    return failed(key, `somebody else keeps writing it; tried again in ${seconds(leave.pauseMs)}`);
  }

  /** Each round when the one before is done; what waits for a write that failed fails, too. */
  async #inOrder(tasks: readonly Task[], batch: Batch): Promise<void> {
    let pending = tasks;
    while (pending.length > 0) {
      const { ready, breaks } = nextRound(pending);
      if (breaks) {
        await this.#sendNoted([withoutTaken(breaks)], batch);
        const after = batch.errors.has(breaks.key) ? undefined : this.#afresh(breaks);
        pending = pending.flatMap((task) => (task === breaks ? (after ?? []) : task));
        continue;
      }
      await this.#sendNoted(ready, batch);
      const done = new Set(ready);
      pending = pending
        .filter((task) => !done.has(task))
        .flatMap((task) => this.#afresh(task) ?? []);
    }
  }

  /** The task on the newest version, where that is still the same Service. */
  #afresh(task: Task): Task | undefined {
    const base = this.#options.baseOf(task.key);
    return base?.uid === task.base.uid ? { ...task, base, from: addressesOf(base) } : undefined;
  }

  #isFree(task: Task, holders: ReadonlyMap<Address, ObjectKey>, batch: Batch): boolean {
    for (const address of given(task)) {
      const holder = holders.get(address);
      if (holder === undefined || holder === task.key) continue;
      const why = `Service "${holder}" may still have ${formatAddress(address)}`;
      batch.answered = true;
      this.#fail(task, { failure: 'refused', error: failed(task.key, why) }, batch);
      return false;
    }
    return true;
  }

  /** First into the journal, then to the Services, at the very versions that were noted. */
  async #sendNoted(tasks: readonly Task[], batch: Batch): Promise<void> {
    const { leader } = this.#options;
    const holders = holdersOf(this.#holds, leader.pending());
    const free = tasks.filter((task) => this.#isFree(task, holders, batch));
    for (let at = 0; at < free.length; at += JOURNAL_BATCH) {
      const some = free.slice(at, at + JOURNAL_BATCH).flatMap((task) => this.#afresh(task) ?? []);
      try {
        await leader.begin(some.map(entryOf));
      } catch (cause) {
        const error = cause instanceof Error ? cause : new Error(String(cause));
        for (const task of free.slice(at)) this.#fail(task, { failure: 'unsent', error }, batch);
        return;
      }
      await parallel(some, WRITES_IN_FLIGHT, (task) => this.#sendOne(task, batch));
      leader.end(some.filter(({ key }) => !this.#holds.get(key)?.underWay).map(entryOf));
    }
  }

  async #sendOne(task: Task, batch: Batch): Promise<void> {
    const { key, base, wanted } = task;
    const patch = statusPatch(base, wanted);
    if (!patch) return;
    const result =
      this.#reasonNotToSend(batch) ?? (await this.#patch(key, base, patch, () => this.#say(task)));
    if (!result) {
      batch.answered = true;
      batch.troubles = 0;
      this.#holds.delete(key);
      if (!wanted) this.#contest.forget(base.uid);
      return;
    }
    const isTrouble = result.failure === 'unsent' || result.failure === 'unknown';
    batch.answered ||= !isTrouble;
    batch.troubles = isTrouble ? batch.troubles + 1 : 0;
    if (result.failure !== 'gone') this.#fail(task, result, batch, patch);
  }

  #reasonNotToSend({ troubles, errors }: Batch): Failed | undefined {
    if (!this.#options.leader.leads()) return { failure: 'unsent', error: notLeading() };
    const last = troubles >= WRITES_IN_FLIGHT ? [...errors.values()].at(-1) : undefined;
    return last && { failure: 'unsent', error: last };
  }

  /** `undefined` when it is written, and visible to everybody. */
  async #patch(
    key: ObjectKey,
    base: StatusBase,
    body: StatusPatch,
    onDone: () => void,
  ): Promise<Failed | undefined> {
    try {
      const object = await this.#options.connection.request({
        method: 'PATCH',
        path: `${pathOf(base)}/status`,
        query: { fieldManager: FIELD_MANAGER },
        contentType: 'application/merge-patch+json',
        body,
      });
      onDone();
      this.#take(object);
      return undefined;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const failure = failureOf(cause);
      // What is there next may be our own.
      if (failure === 'unknown') this.#contest.forget(base.uid);
      return { failure, error: failed(key, why, cause) };
    }
  }

  #take(object: unknown): void {
    if (!isKubeObject(object)) return;
    this.#contest.wrote(statusBaseOf(object));
    this.#options.onWritten(object);
  }

  /** What was not written keeps its addresses: those it has, and those it may have got. */
  #fail(task: Task, { failure, error }: Failed, batch: Batch, patch?: StatusPatch): void {
    batch.errors.set(task.key, error);
    const isUnknown = failure === 'unknown' && isMove(task);
    if (!isUnknown && taken(task).length === 0) return;
    const { uid, resourceVersion } = task.base;
    const known = this.#holds.get(task.key);
    const before = known?.resourceVersion === resourceVersion ? known : undefined;
    const leaving = new Set([...(before?.leaving ?? []), ...taken(task)]);
    const may = isUnknown ? given(task) : [];
    this.#holds.set(task.key, {
      uid,
      resourceVersion,
      addresses: [...leaving.union(new Set([...(before?.addresses ?? []), ...may]))],
      leaving: [...leaving],
      stale: before?.stale === true || isConflict(error.cause),
      told: false,
      underWay: isUnknown && patch ? { patch, entry: entryOf(task) } : before?.underWay,
    });
  }

  /** Sends again what may still arrive, until it is known whether it has. */
  async #settleHolds(batch: Batch): Promise<void> {
    const { baseOf, leader } = this.#options;
    await parallel([...this.#holds], WRITES_IN_FLIGHT, async ([key, hold]) => {
      const next = (await this.#sendAgain(key, hold, batch)) ?? hold;
      const state = holdState(next, baseOf(key));
      if (state === 'over') this.#holds.delete(key);
      else this.#holds.set(key, state === 'arrived' ? { ...next, told: true } : next);
    });
    leader.end([...leader.pending().values()].filter((entry) => isOver(entry, baseOf)));
  }

  /** The hold with what is known after that; `undefined` when that is no more than before. */
  async #sendAgain(key: ObjectKey, hold: Hold, batch: Batch): Promise<Hold | undefined> {
    const { baseOf, leader } = this.#options;
    const base = baseOf(key);
    if (!base || !hold.underWay || holdState(hold, base) !== 'underWay') return undefined;
    if (this.#reasonNotToSend(batch)) return undefined;
    const result = await this.#patch(key, base, hold.underWay.patch, () => {});
    const isKnown = !result || result.failure === 'gone' || isConflict(result.error.cause);
    batch.troubles = isKnown ? 0 : batch.troubles + 1;
    if (!isKnown) return undefined;
    leader.end([hold.underWay.entry]);
    const addresses = result?.failure === 'gone' ? [] : hold.addresses;
    return { ...hold, addresses, underWay: undefined, stale: result !== undefined };
  }

  /** Says what is new among the events of a status. Returns whether anything changed. */
  #say({ base, wanted }: Task): boolean {
    return this.#said.say(base, wanted?.events ?? []);
  }

  /** Refuses to fight, and says on the Service who else writes it. */
  async #standOff({ key, base }: Task, pauseMs: number): Promise<void> {
    const { connection, events, log, clock } = this.#options;
    try {
      const object = await connection.request({ method: 'GET', path: pathOf(base) });
      if (!isKubeObject(object)) return;
      const { base: now, status, event, manager } = contestOf(object, clock.wallMs());
      log.warn(event.message, { object: `Service ${key}`, manager, pauseMs });
      events.record(subjectOf(now), event);
      const patch = statusPatch(now, status);
      const result = patch && (await this.#patch(key, now, patch, () => {}));
      if (result) throw result.error;
    } catch (error) {
      log.warn('Cannot say on the Service that its status is contested', { error });
    }
  }

  /** What was on its way then has been fenced off, or stands in the journal; all is decided anew. */
  #forgetEarlierTerm(): void {
    const term = this.#options.leader.term();
    if (term !== this.#term) this.#holds.clear();
    this.#term = term;
  }

  #checkLeads(): void {
    if (!this.#options.leader.leads()) throw notLeading();
  }
}

function isMove({ from, to }: Move): boolean {
  return from.length !== to.length || from.some((address, index) => address !== to[index]);
}

/** The first half of a move in a circle: what others want is let go. */
function withoutTaken(task: Task): Task {
  const to = kept(task);
  const pool = to.length > 0 ? (task.wanted?.pool ?? '') : '';
  const wanted = task.wanted && { ...task.wanted, addresses: to, pool, events: [] };
  return { ...task, to, wanted };
}

function entryOf({ key, base, to }: Task): JournalEntry {
  const { uid, resourceVersion } = base;
  return { service: key, uid, resourceVersion, addresses: to };
}

/** Every write makes a new version, so nothing that asks for an older one can be accepted. */
function isOver(entry: JournalEntry, baseOf: StatusWriterOptions['baseOf']): boolean {
  const base = baseOf(entry.service);
  return base?.uid !== entry.uid || base.resourceVersion !== entry.resourceVersion;
}

function pathOf({ namespace, name }: StatusBase): string {
  return `/api/v1/namespaces/${namespace}/services/${name}`;
}

function isConflict(cause: unknown): boolean {
  return cause instanceof ApiError && cause.status === 409;
}

function failed(key: ObjectKey, why: string, cause?: unknown): Error {
  return new Error(`Cannot write the status of Service "${key}": ${why}`, { cause });
}

function notLeading(): Error {
  return Object.assign(new Error('Another controller leads'), { code: 'ENOTLEADING' });
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}
