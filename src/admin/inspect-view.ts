import type { Mac } from '../domain/mac.ts';

/** Looking inside the running program: what the admin API asks the forwarder for it. */
export interface InspectView {
  /** Frames that come in by a port; the first one when none is named. */
  trace(
    port: string | undefined,
    frames: (portMac: Mac) => readonly Uint8Array[],
  ): Traced | Refused;
}

/** Why something cannot be done, in a sentence with a remedy. */
export interface Refused {
  readonly refusal: string;
}

export interface Traced {
  readonly port: string;
  readonly packets: readonly TracedPacket[];
  /** Frames beyond the limit. */
  readonly omitted: number;
  readonly refusal?: never;
}

export interface TracedPacket {
  readonly outcome: 'forwarded' | 'dropped' | 'passed';
  /** Counter that tells why it was dropped; else empty. */
  readonly reason: string;
  readonly steps: readonly TracedStep[];
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

export interface TracedStep {
  readonly name: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}
