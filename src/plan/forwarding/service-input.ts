import type { Address } from '../../domain/address.ts';
import type { ServiceForwarding } from '../../domain/forwarding.ts';
import type { CheckHealth } from '../../domain/health.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { Service, ServicePort } from '../../domain/service.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import type { ForwardSettings } from './forward-settings.ts';
import type { Starts } from './slow-start.ts';

/** What planning one Service reads. */
export interface ServiceInput {
  readonly service: Service;
  readonly addresses: readonly Address[];
  readonly snapshot: Snapshot;
  readonly health: KeyedMap<CheckHealth>;
  readonly settings: ForwardSettings;
  /** Whole milliseconds, of any clock that never goes back. */
  readonly nowMs: number;
  /** The Service's part in the plan before: what is equal in it is kept as the same object. */
  readonly before: ServiceForwarding | undefined;
  /** What the step before remembered. */
  readonly history: ServiceHistory | undefined;
}

/** For slow start: since when backends take new flows, by server id. Servers without it have none. */
export type ServiceHistory = ReadonlyMap<string, Starts>;

/** A port that the forwarding core serves. */
export type PlainPort = ServicePort & { readonly protocol: 'TCP' | 'UDP' };
