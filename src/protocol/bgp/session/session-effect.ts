import type { Family } from '../../../domain/address.ts';
import type { BgpState } from '../../../domain/bgp/bgp-session.ts';
import type {
  KeepaliveMessage,
  NotificationContent,
  OpenMessage,
  UpdateMessage,
} from '../message.ts';
import type { Negotiated } from './negotiated.ts';
import type { ConnectionId, OutgoingId, TimerName } from './session-event.ts';

/** What the machine wants done, in this order. */
export type SessionEffect =
  /** Open a connection to the peer; answered by `connected` or `connectFailed`. */
  | { readonly kind: 'connect'; readonly connection: OutgoingId }
  | {
      readonly kind: 'send';
      readonly connection: ConnectionId;
      readonly message: OpenMessage | KeepaliveMessage;
    }
  /**
   * Send the NOTIFICATION if there is one, then close; an attempt is given up. Comes once for each
   * connection, also after the peer closed it: nothing of it is needed any more.
   */
  | {
      readonly kind: 'close';
      readonly connection: ConnectionId;
      readonly notification: NotificationContent | undefined;
    }
  | { readonly kind: 'setTimer'; readonly timer: TimerName; readonly afterMs: number }
  | { readonly kind: 'clearTimer'; readonly timer: TimerName }
  /** Routes go over this connection from now on, all of them, then End-of-RIB. */
  | {
      readonly kind: 'established';
      readonly connection: ConnectionId;
      readonly negotiated: Negotiated;
    }
  /** No more routes over this connection; what the peer announced over it is void. */
  | {
      readonly kind: 'lost';
      readonly connection: ConnectionId;
      /** In words. */
      readonly reason: string;
      /** The peer keeps this side's routes for the restart time (RFC 4724, RFC 8538). */
      readonly routesKept: boolean;
    }
  | { readonly kind: 'update'; readonly message: UpdateMessage }
  /** Send all routes of the family again (RFC 2918), between BoRR and EoRR where negotiated. */
  | { readonly kind: 'refreshRequested'; readonly family: Family }
  /** The peer begins or ends to send all of its routes again (RFC 7313 §4). */
  | { readonly kind: 'peerRefresh'; readonly family: Family; readonly phase: 'begin' | 'end' }
  | { readonly kind: 'stateChanged'; readonly from: BgpState; readonly to: BgpState };
