import { hash, randomBytes } from 'node:crypto';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { formatAddress } from '../../domain/address.ts';
import type { BfdDropReason } from '../../protocol/bfd/drop-reason.ts';
import { realClock } from '../../system/real-clock.ts';
import { raiseThreadPriority } from '../../system/thread-priority.ts';
import { createLogBudget } from './log-budget.ts';
import type { BfdReport, BfdRequest } from './messages.ts';
import { createSessionTable } from './session-table.ts';
import { kernelWire } from './wire.ts';

/**
 * The thread's program: sessions, their sockets and their timers, and nothing else, so that no other
 * work of the process keeps a packet waiting. The main thread hears of it by messages.
 */

/** What a thread is started with, so that it runs this program. */
export const BFD_THREAD = { program: new URL(import.meta.url), workerData: 'bfd' } as const;

/** Between two reports of the counters. */
const COUNTERS_MS = 1000;
/** Lines about refused packets of one kind, and about errors of one kind. */
const LINES_PER_MINUTE = 1;

if (parentPort && workerData === BFD_THREAD.workerData) run(parentPort);

function run(port: MessagePort): void {
  const report = (message: BfdReport) => port.postMessage(message);
  const budget = createLogBudget(realClock, LINES_PER_MINUTE);
  let round = 0;
  let unread = false;

  const warn = (subject: string, message: string, fields: Record<string, unknown>) => {
    const held = budget.spend(subject);
    if (held === undefined) return;
    report({ kind: 'warning', message, fields: held > 0 ? { ...fields, unlogged: held } : fields });
  };
  const table = createSessionTable({
    wire: kernelWire,
    clock: realClock,
    random: Math.random,
    discriminator: () => randomBytes(4).readUInt32BE(),
    sha1: (bytes) => hash('sha1', bytes, 'buffer'),
    onChange: (key, session) => report({ kind: 'session', round, key, session }),
    onDrop(reason, { source, ttl }) {
      if (!isNews(reason)) return;
      const from = { source: formatAddress(source), ...(reason === 'ttl' ? { ttl } : {}) };
      warn(reason, 'Refused a BFD packet', { reason, ...from });
    },
    onSocketError: (error) =>
      warn(error.code ?? '', 'Cannot receive BFD packets', { error: error.message }),
  });
  // A main thread that is busy finds one report when it comes back, not a queue of them.
  const counters = setInterval(() => {
    if (unread) return;
    unread = true;
    report({ kind: 'counters', round, sessions: table.views(), drops: table.drops() });
  }, COUNTERS_MS);

  async function stop(): Promise<void> {
    clearInterval(counters);
    await table.stop();
    report({ kind: 'stopped' });
    port.close();
  }

  port.on('message', (request: BfdRequest) => {
    switch (request.kind) {
      case 'want':
        round = request.round;
        table.want(request.orders);
        break;
      case 'read':
        unread = false;
        break;
      case 'stop':
        void stop();
    }
  });
  report({ kind: 'started', priority: raiseThreadPriority() });
}

/** A peer that goes on for a while after we ended the session does nothing wrong. */
function isNews(reason: BfdDropReason): boolean {
  return reason !== 'adminDown';
}
