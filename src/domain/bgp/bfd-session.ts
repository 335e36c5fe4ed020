import type { Address } from '../address.ts';

/** RFC 5880 §6.8.1. */
export type BfdState = 'AdminDown' | 'Down' | 'Init' | 'Up';

/** A BFD session as people and their tools see it. */
export interface BfdSession {
  readonly state: BfdState;
  /** ms since 1970. */
  readonly sinceMs: number;
  readonly remoteState: BfdState;
  readonly remoteAddress: Address;
  readonly localAddress: Address | undefined;
  /** Empty when it is not bound to one. */
  readonly interface: string;
  readonly multihop: boolean;
  readonly localDiscriminator: number;
  readonly remoteDiscriminator: number;
  /** RFC 5880 §4.1, in words: `Control Detection Time Expired`; of both sides. */
  readonly localDiagnostic: string;
  readonly remoteDiagnostic: string;
  /** In use, ms. */
  readonly transmitIntervalMs: number;
  readonly receiveIntervalMs: number;
  readonly detectionTimeMs: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  /** Refused, whatever the reason. */
  readonly packetsDropped: number;
  readonly upEvents: number;
  readonly downEvents: number;
  /** Why it cannot work (echo mode asked for, no route); empty: nothing. */
  readonly obstacle: string;
}
