import type { Address } from '../../../domain/address.ts';
import type { BgpMessage, NotificationContent } from '../message.ts';

/** A connection that this side opened: named by the machine in its `connect` effect. */
export type OutgoingId = `out:${number}`;

/** One that the peer opened: named by who accepts it, and never twice in a session. */
export type IncomingId = `in:${number}`;

export type ConnectionId = OutgoingId | IncomingId;

/** A timer runs once; setting it again replaces it. */
export type TimerName =
  | 'connectRetry'
  | 'idleHold'
  | `hold/${ConnectionId}`
  | `keepalive/${ConnectionId}`
  | `sendHold/${ConnectionId}`;

/**
 * All that can happen to a session (RFC 4271 §8.1). About a connection that the machine has closed or
 * never heard of, an event changes nothing; so events may be late and in any order.
 */
export type SessionEvent =
  /** By the operator or the configuration: try from now on. */
  | { readonly kind: 'start' }
  /**
   * Close, and stay closed. With `undefined` nothing is said to the peer: one that does graceful restart
   * keeps the routes. What ends them is sent as a Hard Reset where both know it (RFC 8538 §3.1).
   */
  | { readonly kind: 'stop'; readonly notification: NotificationContent | undefined }
  /** The same, and begin anew at once. */
  | { readonly kind: 'reset'; readonly notification: NotificationContent | undefined }
  /** A connection is open: an attempt of this side's, or one that the peer began. */
  | {
      readonly kind: 'connected';
      readonly connection: ConnectionId;
      readonly local: Address;
      readonly remote: Address;
    }
  /** An attempt failed; `reason` in words, for people. */
  | { readonly kind: 'connectFailed'; readonly connection: OutgoingId; readonly reason: string }
  /** An open connection has ended; `reason` in words, empty when the peer just closed it. */
  | { readonly kind: 'closed'; readonly connection: ConnectionId; readonly reason: string }
  | { readonly kind: 'message'; readonly connection: ConnectionId; readonly message: BgpMessage }
  /** Framer or decoder refused what came, or a limit of this side's was exceeded. */
  | {
      readonly kind: 'fault';
      readonly connection: ConnectionId;
      readonly notification: NotificationContent;
    }
  | { readonly kind: 'timer'; readonly timer: TimerName }
  /** The path carries packets: connects at once where the next attempt is waited for. */
  | { readonly kind: 'bfdUp' }
  /** An interface of this box has come up: the same. */
  | { readonly kind: 'linkUp' }
  /** Ends the session only after an Up; `reason` in words. */
  | { readonly kind: 'bfdDown'; readonly reason: string }
  /**
   * The peer took octets that had waited, or some have begun to wait (`waiting`: some still do). When
   * none has moved for the send hold time, the session ends (RFC 9687).
   */
  | {
      readonly kind: 'sendProgress';
      readonly connection: ConnectionId;
      readonly waiting: boolean;
    };
