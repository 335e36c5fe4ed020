import type { BfdSession } from '../../domain/bgp/bfd-session.ts';
import type { LogFields } from '../../domain/log.ts';
import type { ThreadPriority } from '../../system/thread-priority.ts';
import type { BfdDrops } from './bfd.ts';
import type { SessionOrder } from './order.ts';

/** To the thread. */
export type BfdRequest =
  /** `round` counts these; what the thread tells afterwards carries it. */
  | {
      readonly kind: 'want';
      readonly round: number;
      readonly orders: ReadonlyMap<string, SessionOrder>;
    }
  /** The last `counters` were read; more may be sent. */
  | { readonly kind: 'read' }
  | { readonly kind: 'stop' };

/** From the thread. */
export type BfdReport =
  | { readonly kind: 'started'; readonly priority: ThreadPriority }
  | {
      readonly kind: 'session';
      readonly round: number;
      readonly key: string;
      readonly session: BfdSession;
    }
  | {
      readonly kind: 'counters';
      readonly round: number;
      readonly sessions: ReadonlyMap<string, BfdSession>;
      readonly drops: BfdDrops;
    }
  | { readonly kind: 'warning'; readonly message: string; readonly fields: LogFields }
  | { readonly kind: 'stopped' };
