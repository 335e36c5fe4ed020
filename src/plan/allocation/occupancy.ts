import type { Address, Family } from '../../domain/address.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { Candidate } from './candidate.ts';
import { addressAt, type Lane, OUTSIDE, placeOf } from './lane.ts';
import { type PoolTable, slotOf, type TablePool } from './pool-table.ts';
import {
  EMPTY_RUNS,
  hasMember,
  nextGap,
  nextMember,
  type RunSet,
  withMember,
  withoutMember,
} from './run-set.ts';

/** Who holds what, persistent: a step makes a new one and leaves the old as it was. */
export interface Occupancy {
  /** By Service key. */
  readonly claims: KeyedMap<Claim>;
  /** By address in base 36. */
  readonly uses: KeyedMap<AddressUse>;
  /** Places taken: of a lane, by those who share a key in it, and by each port of theirs. */
  readonly places: KeyedMap<RunSet>;
}

/** The hold of one Service on its addresses. */
export interface Claim extends Candidate {
  readonly addresses: readonly Address[];
  /** Pool in force that the first address lies in; empty for none. */
  readonly pool: string;
}

/** Everybody on one address; all have the same `sharing`. */
export interface AddressUse {
  readonly sharing: string;
  readonly users: ReadonlySet<ObjectKey>;
}

interface DraftUse extends AddressUse {
  readonly users: Set<ObjectKey>;
}

/** Why an address cannot be used by somebody. */
export type Conflict =
  | { readonly kind: 'sharing'; readonly users: readonly ObjectKey[] }
  | { readonly kind: 'port'; readonly port: number; readonly address: Address };

export const EMPTY_OCCUPANCY: Occupancy = {
  claims: KeyedMap.empty(),
  uses: KeyedMap.empty(),
  places: KeyedMap.empty(),
};

export function addressKey(address: Address): string {
  return address.toString(36);
}

/** Places a lane has given away. */
export function laneRuns(occupancy: Occupancy, lane: Lane): RunSet {
  return occupancy.places.get(lane.id) ?? EMPTY_RUNS;
}

/**
 * One step's view of the occupancy: reads see its own changes, `commit` makes them a new occupancy.
 * A class, since the changes of a step are state; it does not outlive the step.
 */
export class OccupancyDraft {
  readonly #base: Occupancy;
  readonly #table: PoolTable;
  readonly #claims = new Map<ObjectKey, Claim | undefined>();
  readonly #uses = new Map<string, DraftUse | undefined>();
  readonly #places = new Map<string, RunSet | undefined>();
  /** Addresses that somebody left in this step; who waits may find room on them. */
  readonly opened = new Set<Address>();
  /** Addresses whose users changed in this step. */
  readonly touched = new Set<Address>();
  /** By pool name: how many more Services hold an address of it than before this step. */
  readonly serviceChanges = new Map<string, number>();

  constructor(base: Occupancy, table: PoolTable) {
    this.#base = base;
    this.#table = table;
  }

  claimOf(service: ObjectKey): Claim | undefined {
    return this.#claims.has(service) ? this.#claims.get(service) : this.#base.claims.get(service);
  }

  usersOf(address: Address): readonly ObjectKey[] {
    return [...(this.#useOf(addressKey(address))?.users ?? [])];
  }

  /** True when somebody uses the address who shares with nobody. */
  isExclusive(address: Address): boolean {
    return this.#useOf(addressKey(address))?.sharing === '';
  }

  /** Why `candidate` may not use `address`; it must not be a user itself. */
  conflict(candidate: Candidate, address: Address): Conflict | undefined {
    const use = this.#useOf(addressKey(address));
    if (!use) return undefined;
    if (use.sharing === '' || use.sharing !== candidate.sharing) {
      return { kind: 'sharing', users: [...use.users].sort() };
    }
    const { lane, place } = this.#spotOf(address);
    const port = candidate.ports.find((code) =>
      hasMember(this.#runs(portRuns(lane, code, use.sharing)), place),
    );
    return port === undefined ? undefined : { kind: 'port', port, address };
  }

  /** The first address of a pool and family that `candidate` may use: free, or to be shared. */
  lowestUsable(pool: TablePool, family: Family, candidate: Candidate): Address | undefined {
    for (const lane of pool.lanes) {
      if (lane.family !== family || lane.last < lane.first) continue;
      const free = nextGap(this.#runs(lane.id), lane.first);
      const place = this.#lowestShared(lane, candidate, free) ?? free;
      if (place <= lane.last) return addressAt(lane, place);
    }
    return undefined;
  }

  /** Records a hold that `conflict` does not forbid. */
  claim(claim: Claim): void {
    this.#claims.set(claim.service, claim);
    this.#countService(claim.pool, 1);
    for (const address of claim.addresses) {
      const key = addressKey(address);
      const users = this.#ownUsers(key).add(claim.service);
      this.#uses.set(key, { sharing: claim.sharing, users });
      this.#mark(address, claim, withMember);
    }
  }

  /** Ends the hold of a Service, if it has one. */
  release(service: ObjectKey): void {
    const claim = this.claimOf(service);
    if (!claim) return;
    this.#claims.set(service, undefined);
    this.#countService(claim.pool, -1);
    for (const address of claim.addresses) {
      const key = addressKey(address);
      const users = this.#ownUsers(key);
      users.delete(service);
      this.opened.add(address);
      this.#uses.set(key, users.size === 0 ? undefined : { sharing: claim.sharing, users });
      this.#unmark(address, claim, users.size === 0);
    }
  }

  commit(): Occupancy {
    return {
      claims: this.#base.claims.withAll(this.#claims),
      uses: this.#base.uses.withAll(this.#uses),
      places: this.#base.places.withAll(this.#places),
    };
  }

  /** The users of an address as a set of this draft's own: many sharers are copied once a step. */
  #ownUsers(key: string): Set<ObjectKey> {
    return this.#uses.get(key)?.users ?? new Set(this.#useOf(key)?.users);
  }

  #useOf(key: string): AddressUse | undefined {
    return this.#uses.has(key) ? this.#uses.get(key) : this.#base.uses.get(key);
  }

  #runs(id: string): RunSet {
    const runs = this.#places.has(id) ? this.#places.get(id) : this.#base.places.get(id);
    return runs ?? EMPTY_RUNS;
  }

  /** The first place below `end` used with the same key, and on none of the candidate's ports. */
  #lowestShared(lane: Lane, { sharing, ports }: Candidate, end: bigint): bigint | undefined {
    if (sharing === '') return undefined;
    const members = this.#runs(memberRuns(lane, sharing));
    const taken = ports.map((code) => this.#runs(portRuns(lane, code, sharing)));
    let place = nextMember(members, lane.first);
    while (place !== undefined && place < end) {
      const from = place;
      const clear = taken.reduce((at, runs) => nextGap(runs, at), from);
      if (clear === from) return place;
      place = nextMember(members, clear);
    }
    return undefined;
  }

  #spotOf(address: Address): { lane: Lane; place: bigint } {
    const slot = slotOf(this.#table, address);
    const place = slot && placeOf(slot.lane, address);
    return slot && place !== undefined
      ? { lane: slot.lane, place }
      : { lane: OUTSIDE, place: address };
  }

  #mark(address: Address, claim: Claim, change: typeof withMember): void {
    this.touched.add(address);
    const { lane, place } = this.#spotOf(address);
    const apply = (id: string) => this.#setRuns(id, change(this.#runs(id), place));
    apply(lane.id);
    if (claim.sharing === '') return;
    apply(memberRuns(lane, claim.sharing));
    for (const code of claim.ports) apply(portRuns(lane, code, claim.sharing));
  }

  #unmark(address: Address, claim: Claim, last: boolean): void {
    this.touched.add(address);
    const { lane, place } = this.#spotOf(address);
    const take = (id: string) => this.#setRuns(id, withoutMember(this.#runs(id), place));
    if (last) take(lane.id);
    if (claim.sharing === '') return;
    if (last) take(memberRuns(lane, claim.sharing));
    for (const code of claim.ports) take(portRuns(lane, code, claim.sharing));
  }

  #setRuns(id: string, runs: RunSet): void {
    this.#places.set(id, runs.runs.length === 0 ? undefined : runs);
  }

  #countService(pool: string, change: number): void {
    if (pool === '') return;
    this.serviceChanges.set(pool, (this.serviceChanges.get(pool) ?? 0) + change);
  }
}

function memberRuns(lane: Lane, sharing: string): string {
  return `${lane.id} ${sharing}`;
}

function portRuns(lane: Lane, code: number, sharing: string): string {
  return `${lane.id} ${code} ${sharing}`;
}
