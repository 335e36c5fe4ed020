import type { Address, Family } from './address.ts';
import type { ObjectKey } from './object.ts';
import type { Protocol } from './service.ts';

/** `EndpointSlice.ports[]`; `port` is `undefined` when the slice names none (all ports, unusable for us). */
export interface EndpointPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number | undefined;
}

/** One endpoint with its conditions as KEP-1669 reads them: `ready` nil counts as true. */
export interface Endpoint {
  readonly address: Address;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly nodeName: string | undefined;
  readonly zone: string | undefined;
  /**
   * `hints.forZones` and `hints.forNodes` (KEP-2433, KEP-3015): whose traffic the cluster would send
   * here; empty: nothing is said.
   */
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
  /** `targetRef` when it is a Pod. */
  readonly pod: ObjectKey | undefined;
}

/** A discovery.k8s.io/v1 EndpointSlice (or a core/v1 Endpoints subset, one slice per family). */
export interface EndpointSlice {
  readonly key: ObjectKey;
  readonly family: Family;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

/** All slices of one Service, sorted by slice key, so that equal input gives equal plans. */
export interface ServiceEndpoints {
  readonly service: ObjectKey;
  readonly slices: readonly EndpointSlice[];
}
