import type { BgpSession } from '../../../domain/bgp/bgp-session.ts';
import type { Log } from '../../../domain/log.ts';
import type { SessionNews } from './session-driver.ts';

/** Tells in the log how a session goes. */
export interface SessionLog {
  up(remote: string, obstacle: string): void;
  down(news: Extract<SessionNews, { readonly kind: 'lost' }>, onPurpose: boolean): void;
  /** The newest of these errors; those that come with every attempt are told once between two sessions. */
  trouble(remote: string, errors: BgpSession['lastError']): void;
}

/** Different errors in the log between two sessions. */
const TOLD_MAX = 16;

export function createSessionLog(log: Log): SessionLog {
  const told = new Set<string>();
  /** When the newest error that was looked at happened: what is older is over. */
  let seenMs = Number.NEGATIVE_INFINITY;
  return {
    up(remote, obstacle) {
      told.clear();
      log.info('BGP session is up', { remote, ...(obstacle && { obstacle }) });
    },
    down({ reason, routesKept }, onPurpose) {
      log[onPurpose ? 'info' : 'warn']('BGP session is down', { reason, routesKept });
      told.add(reason);
    },
    trouble(remote, { sent, received, transport }) {
      const errors = [transport, received, sent].filter((error) => error !== undefined);
      const [newest] = errors.sort((a, b) => b.atMs - a.atMs);
      if (!newest || newest.atMs <= seenMs) return;
      seenMs = newest.atMs;
      if (told.has(newest.text) || told.size >= TOLD_MAX) return;
      told.add(newest.text);
      log.warn('Trouble with a BGP session', { remote, error: newest.text });
    },
  };
}
