import { Worker } from 'node:worker_threads';
import { formatAddress } from '../../domain/address.ts';
import type { BfdSession } from '../../domain/bgp/bfd-session.ts';
import { type Bfd, type BfdDeps, type BfdDrops, pathFailed } from './bfd.ts';
import { BFD_THREAD } from './bfd-worker.ts';
import { createLogBudget } from './log-budget.ts';
import type { BfdReport, BfdRequest } from './messages.ts';
import { orderOf, type SessionOrder, samePath } from './order.ts';
import { viewOfNone } from './session-view.ts';
import { type ThreadWatch, watchThread } from './thread-watch.ts';

/** The thread as it is seen from here. */
export interface BfdThread {
  post(request: BfdRequest): void;
  terminate(): Promise<unknown>;
}

export type StartThread = (
  onReport: (report: BfdReport) => void,
  /** It ended without being asked to. */
  onEnd: (error: Error | undefined) => void,
) => BfdThread;

/** Before a thread that ended is started again. */
const RESTART_MS = 1000;
/** Longest wait for the peers to be told at the end. */
const STOP_MAX_MS = 2000;
/** State changes of one session in the log. */
const LINES_PER_MINUTE = 10;

interface Known {
  readonly order: SessionOrder;
  /** The first round in which it was wanted as it is: what was told before is of another session. */
  readonly since: number;
  view: BfdSession;
}

/** Watches paths from now on. The thread starts with the first session that is wanted. */
export function startBfd(deps: BfdDeps, startThread: StartThread = startWorker): Bfd {
  const { clock, log } = deps;
  const listeners = new Set<(key: string, session: BfdSession) => void>();
  const budget = createLogBudget(clock, LINES_PER_MINUTE);
  let known = new Map<string, Known>();
  let drops: BfdDrops = {};
  let round = 0;
  let thread: BfdThread | undefined;
  let watch: ThreadWatch | undefined;
  let cancelRestart: (() => void) | undefined;
  let stopping: Promise<void> | undefined;
  const stopped = Promise.withResolvers<void>();

  function ask(): void {
    thread ??= startThread(onReport, onEnd);
    watch ??= watchThread(clock, onHang);
    const orders = new Map([...known].map(([key, { order }]) => [key, order]));
    thread.post({ kind: 'want', round, orders });
  }

  function onReport(report: BfdReport): void {
    watch?.heard();
    switch (report.kind) {
      case 'started':
        logPriority(report.priority, deps);
        break;
      case 'session':
        see(report.key, report.session, report.round);
        break;
      case 'counters':
        drops = report.drops;
        for (const [key, session] of report.sessions) count(key, session, report.round);
        thread?.post({ kind: 'read' });
        break;
      case 'warning':
        log.warn(report.message, report.fields);
        break;
      case 'stopped':
        stopped.resolve();
    }
  }

  function see(key: string, session: BfdSession, toldIn: number): void {
    const entry = known.get(key);
    if (!entry || toldIn < entry.since) return;
    const before = entry.view;
    entry.view = session;
    logChange(key, before, session);
    for (const listener of listeners) listener(key, session);
  }

  function count(key: string, session: BfdSession, toldIn: number): void {
    const entry = known.get(key);
    if (entry && toldIn >= entry.since) entry.view = session;
  }

  function logChange(key: string, before: BfdSession, now: BfdSession): void {
    if (before.state === now.state && before.obstacle === now.obstacle) return;
    const held = budget.spend(key);
    if (held === undefined) return;
    const fields = {
      peer: key,
      address: formatAddress(now.remoteAddress),
      ...(now.interface === '' ? {} : { interface: now.interface }),
      ...(held === 0 ? {} : { unlogged: held }),
    };
    if (now.obstacle !== before.obstacle && now.obstacle !== '') {
      log.warn('BFD cannot watch the path', { ...fields, obstacle: now.obstacle });
    } else if (now.state === 'Up') {
      log.info('BFD session is up', { ...fields, detectionTimeMs: now.detectionTimeMs });
    } else if (pathFailed(before, now)) {
      const { localDiagnostic: diagnostic, remoteDiagnostic: peerDiagnostic } = now;
      log.warn('BFD session went down', { ...fields, diagnostic, peerDiagnostic });
    } else if (before.state === 'Up') {
      log.info('The peer ended the BFD session', fields);
    }
  }

  function endWatch(): void {
    watch?.end();
    watch = undefined;
  }

  /** It sends nothing either, and what it last told is not true any more. */
  function onHang(): void {
    log.error('The BFD thread hangs; ending it');
    void thread?.terminate();
  }

  /** The peers notice by themselves that packets stay away; here nothing is known to have failed. */
  function onEnd(error: Error | undefined): void {
    thread = undefined;
    endWatch();
    stopped.resolve();
    if (stopping) return;
    log.error('The BFD thread ended; starting it again', { error: error?.message ?? 'no error' });
    round += 1;
    for (const [key, { order }] of known) {
      known.set(key, { order, since: round, view: viewOfNone(order, clock.wallMs(), '') });
      see(key, viewOfNone(order, clock.wallMs(), 'The BFD thread is being started again'), round);
    }
    cancelRestart = clock.after(RESTART_MS, ask);
  }

  async function stop(): Promise<void> {
    cancelRestart?.();
    endWatch();
    if (!thread) return;
    const ending = thread;
    ending.post({ kind: 'stop' });
    const cancel = clock.after(STOP_MAX_MS, stopped.resolve);
    await stopped.promise;
    cancel();
    await ending.terminate();
  }

  return {
    want(sessions) {
      if (stopping) return;
      round += 1;
      known = new Map(
        [...sessions].map(([key, wanted]) => {
          const order = orderOf(wanted);
          const before = known.get(key);
          return before && samePath(before.order.path, order.path)
            ? [key, { ...before, order }]
            : [key, { order, since: round, view: viewOfNone(order, clock.wallMs(), '') }];
        }),
      );
      if (thread || (known.size > 0 && !cancelRestart)) ask();
    },
    sessions: () => new Map([...known].map(([key, { view }]) => [key, view])),
    drops: () => drops,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

function logPriority(
  priority: Extract<BfdReport, { kind: 'started' }>['priority'],
  { log }: BfdDeps,
): void {
  if (priority === 'normal') {
    log.warn(
      'The BFD thread has no precedence over other programs, and a busy box may end sessions; ' +
        'give the speaker CAP_SYS_NICE',
    );
  } else {
    log.info('BFD runs on a thread of its own', { priority });
  }
}

/** Does not keep the process alive. */
function startWorker(
  onReport: (report: BfdReport) => void,
  onEnd: (error: Error | undefined) => void,
): BfdThread {
  const { program, workerData } = BFD_THREAD;
  const worker = new Worker(program, { name: 'tidegate-bfd', workerData });
  let failure: Error | undefined;
  worker.on('message', onReport);
  worker.on('error', (error) => {
    failure = error as Error;
  });
  worker.on('exit', () => onEnd(failure));
  worker.unref();
  return {
    post(request) {
      // Whoever stops waits for the answer, even when nothing else is left to do.
      if (request.kind === 'stop') worker.ref();
      worker.postMessage(request);
    },
    terminate: () => worker.terminate(),
  };
}
