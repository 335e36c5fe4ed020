import type { BgpSession } from '../../domain/bgp/bgp-session.ts';
import type { Log } from '../../domain/log.ts';
import type { SessionNews } from './session-driver.ts';

/** Tells in the log how a session goes. */
export interface SessionLog {
  up(remote: string, obstacle: string): void;
  down(news: Extract<SessionNews, { readonly kind: 'lost' }>, onPurpose: boolean): void;
  /** The newest of these errors; one that comes with every attempt is told once. */
  trouble(remote: string, errors: BgpSession['lastError']): void;
}

export function createSessionLog(log: Log): SessionLog {
  let told = '';
  return {
    up(remote, obstacle) {
      log.info('BGP session is up', { remote, ...(obstacle && { obstacle }) });
    },
    down({ reason, routesKept }, onPurpose) {
      log[onPurpose ? 'info' : 'warn']('BGP session is down', { reason, routesKept });
      told = reason;
    },
    trouble(remote, { sent, received, transport }) {
      const errors = [transport, received, sent].filter((error) => error !== undefined);
      const [newest] = errors.sort((a, b) => b.atMs - a.atMs);
      if (!newest || newest.text === told) return;
      told = newest.text;
      log.warn('Trouble with a BGP session', { remote, error: newest.text });
    },
  };
}
