import type { VirtualServer } from '../../domain/forwarding.ts';
import type { DataplaneLayout } from './abi.ts';
import type { ServerPolicy } from './backend-table.ts';

/** What a server's scheduler and settings are in the program's numbers. */
export interface Schedulers {
  /** `tg_vip.scheduler`. */
  numberOf(server: VirtualServer): number;
  /** `tg_vip.flags`. */
  vipFlagsOf(server: VirtualServer): number;
  policyOf(server: VirtualServer): ServerPolicy;
  /** Words that one place of a ring takes. */
  wordsAPlace(scheduler: number): 1 | 2;
}

export function createSchedulers(layout: DataplaneLayout): Schedulers {
  const rendezvous = layout.constant('TG_SCHEDULER_RENDEZVOUS');
  const hash = layout.constant('TG_SCHEDULER_HASH');
  const numbers = {
    maglev: hash,
    'source-hash': hash,
    'round-robin': layout.constant('TG_SCHEDULER_ROUND_ROBIN'),
    'least-connections': layout.constant('TG_SCHEDULER_LEAST'),
  };
  const clientOnly = layout.constant('TG_VIP_HASH_CLIENT_ONLY');
  const resetDead = layout.constant('TG_VIP_RESET_DEAD');
  return {
    numberOf: ({ scheduler, choice }) =>
      choice === 'rendezvous' ? rendezvous : numbers[scheduler],
    vipFlagsOf(server) {
      // With affinity the ring agrees on all ports, should the client's entry be lost.
      const byClient = server.scheduler === 'source-hash' || server.affinityTimeoutSec > 0;
      return (byClient ? clientOnly : 0) | (server.resetDead ? resetDead : 0);
    },
    policyOf: ({ scheduler, resetDead }) => ({
      counted: scheduler === 'least-connections',
      resetDead,
    }),
    wordsAPlace: (scheduler) => (scheduler === rendezvous ? 2 : 1),
  };
}
