import type { ObjectMeta } from '../object.ts';

/** `BFDProfile` of metallb.io/v1beta1, with FRR's values where it is silent, as MetalLB has them. */
export interface BfdProfile extends ObjectMeta {
  /** Required Min RX Interval, ms: 10 to 60,000; 300. */
  readonly receiveIntervalMs: number;
  /** Desired Min TX Interval, ms: 10 to 60,000; 300. */
  readonly transmitIntervalMs: number;
  /** Packets missing in a row: 2 to 255; 3. */
  readonly detectMultiplier: number;
  /** Refused with a clear word: packets that come back prove nothing about the peer's BGP. */
  readonly echoMode: boolean;
  /** Waits for the peer to begin (RFC 5880 §6.1, passive role). */
  readonly passive: boolean;
  /** Least TTL of packets of a peer that is routers away: 1 to 254; 254. */
  readonly minimumTtl: number;
}
