import type { BfdSession } from '../../domain/bgp/bfd-session.ts';
import type { Log } from '../../domain/log.ts';
import type { Bfd, BfdWanted } from '../bfd/bfd.ts';

/** BFD that starts when somebody wants it: its thread costs memory. */
export interface LazyBfd {
  want(sessions: ReadonlyMap<string, BfdWanted>): void;
  sessions(): ReadonlyMap<string, BfdSession>;
  stop(): Promise<void>;
}

export function createLazyBfd(
  start: () => Promise<Bfd>,
  log: Log,
  onChange: (key: string, session: BfdSession) => void,
): LazyBfd {
  let wanted: ReadonlyMap<string, BfdWanted> = new Map();
  let starting: Promise<void> | undefined;
  let running: Bfd | undefined;
  let stopped = false;

  async function begin(): Promise<void> {
    try {
      running = await start();
      running.onChange(onChange);
      if (!stopped) running.want(wanted);
    } catch (error) {
      log.error('Cannot start BFD; peers are watched by their hold times alone', { error });
    }
  }

  return {
    want(sessions) {
      wanted = sessions;
      if (running) running.want(sessions);
      else if (sessions.size > 0 && !stopped) starting ??= begin();
    },
    sessions: () => running?.sessions() ?? new Map(),
    async stop() {
      stopped = true;
      await starting;
      await running?.stop();
    },
  };
}
