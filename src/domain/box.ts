import type { Address } from './address.ts';
import type { Labels, ObjectKey } from './object.ts';
import type { Problem } from './problem.ts';
import type { RoleName } from './role.ts';

/** What this box says of itself to the cluster; becomes the status of its EdgeNode. */
export interface BoxState {
  readonly name: string;
  readonly version: string;
  /** Labels by the settings. */
  readonly labels: Labels;
  readonly roles: readonly RoleName[];
  /** Whether all that run are ready; `reason` says what is missing. */
  readonly readiness: { readonly ready: boolean; readonly reason: string };
  readonly interfaces: readonly BoxInterface[];
  readonly capacity: {
    readonly flows: number;
    readonly servers: number;
    readonly backends: number;
  };
  readonly vips: readonly BoxVip[];
}

export interface BoxInterface {
  readonly name: string;
  /** As `02:00:5e:00:00:01`. */
  readonly mac: string;
  readonly addresses: readonly Address[];
}

/** An address as it stands on this box. */
export interface BoxVip {
  readonly address: Address;
  /** Services that hold it. */
  readonly services: readonly ObjectKey[];
  /** The forwarding core has usable backends for it. */
  readonly servable: boolean;
  readonly announced: boolean;
  readonly interfaces: readonly string[];
  /** Names of the BGPPeers that have a route to it, sorted. */
  readonly peers: readonly string[];
  /** Why it is not announced; empty when it is. */
  readonly reason: string;
}

/** Where a box tells the cluster of itself. */
export interface BoxPublisher {
  /** The newest state; written a moment later, collected and limited in rate. */
  publish(state: BoxState): void;
  /** What the server refuses now: a right or a definition is missing. */
  problems(): readonly Problem[];
  /** Says that the box has stopped, as far as the API can be reached in bounded time. */
  stop(): Promise<void>;
}
