import { isDeepStrictEqual } from 'node:util';
import type { Address } from '../domain/address.ts';
import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import type { Mac } from '../domain/mac.ts';
import type { Prefix } from '../domain/prefix.ts';
import type { InterfaceAddress } from '../protocol/rtnetlink/interface-address.ts';
import type { Link } from '../protocol/rtnetlink/link.ts';
import type { Neighbour } from '../protocol/rtnetlink/neighbour.ts';
import type { NetworkEvent, RouteAnswer, Rtnetlink } from '../system/rtnetlink.ts';

/** This box's interfaces, addresses and neighbours as the kernel has them now. */
export interface Network {
  readonly links: ReadonlyMap<number, Link>;
  addresses(): Iterable<InterfaceAddress>;
  /** True when packets may be sent from this address. */
  holdsAddress(address: Address): boolean;
  neighbour(ifindex: number, address: Address): Neighbour | undefined;
  routeTo(destination: Address): Promise<RouteAnswer>;
  /** Which entry of the routing table decides that. */
  matchTo(destination: Address): Promise<RouteAnswer>;
  useNeighbour(ifindex: number, address: Address): Promise<void>;
  /** Says where a neighbour is, or that it does not answer; not for `fixed` ones. */
  setNeighbour(ifindex: number, address: Address, mac: Mac | undefined): Promise<void>;
  /** Calls back after the tables above changed; the returned function unsubscribes. */
  onChange(listener: (change: NetworkChange) => void): () => void;
  close(): void;
}

export type NetworkChange =
  | { readonly kind: 'link' }
  | { readonly kind: 'address'; readonly removed: boolean }
  | { readonly kind: 'neighbour'; readonly ifindex: number; readonly address: Address }
  /** `undefined`: any destination may go another way. */
  | { readonly kind: 'route'; readonly destination: Prefix | undefined }
  /** Everything was read anew. */
  | { readonly kind: 'all' };

export interface NetworkParts {
  readonly open: (onEvent: (event: NetworkEvent) => void) => Rtnetlink;
  readonly clock: Clock;
  readonly log: Log;
}

const RESYNC_RETRY_MS = 1000;

/** Reads the tables and follows them. Rejects when they cannot be read at all. */
export async function followNetwork(parts: NetworkParts): Promise<Network> {
  const tables = new Tables(parts);
  await tables.read();
  return tables;
}

class Tables implements Network {
  readonly links = new Map<number, Link>();
  readonly #parts: NetworkParts;
  readonly #kernel: Rtnetlink;
  readonly #listeners = new Set<(change: NetworkChange) => void>();
  readonly #addresses = new Map<string, InterfaceAddress>();
  /** The usable ones of `#addresses`, made when asked for. */
  #held: ReadonlySet<Address> | undefined;
  readonly #neighbours = new Map<string, Neighbour>();
  /** Keys told by events while the tables are being read: newer than what the reading brings. */
  #told: Set<string> | undefined;
  #closed = false;

  constructor(parts: NetworkParts) {
    this.#parts = parts;
    this.#kernel = parts.open((event) => this.#apply(event));
  }

  async read(): Promise<void> {
    const told = new Set<string>();
    this.#told = told;
    const [links, addresses, neighbours] = await Promise.all([
      this.#kernel.links(),
      this.#kernel.addresses(),
      this.#kernel.neighbours(),
    ]);
    // Another reading has begun meanwhile: its answers are newer.
    if (this.#told !== told) return;
    this.#told = undefined;
    this.#held = undefined;
    replace(
      this.links,
      links,
      ({ ifindex }) => ifindex,
      (key) => told.has(linkKey(key)),
    );
    replace(this.#addresses, addresses, addressKey, (key) => told.has(key));
    replace(this.#neighbours, neighbours, neighbourKey, (key) => told.has(key));
  }

  addresses(): Iterable<InterfaceAddress> {
    return this.#addresses.values();
  }

  holdsAddress(address: Address): boolean {
    this.#held ??= new Set(
      [...this.#addresses.values()].filter((each) => each.isUsable).map((each) => each.address),
    );
    return this.#held.has(address);
  }

  neighbour(ifindex: number, address: Address): Neighbour | undefined {
    return this.#neighbours.get(neighbourKey({ ifindex, address }));
  }

  routeTo(destination: Address): Promise<RouteAnswer> {
    return this.#kernel.routeTo(destination);
  }

  matchTo(destination: Address): Promise<RouteAnswer> {
    return this.#kernel.matchTo(destination);
  }

  useNeighbour(ifindex: number, address: Address): Promise<void> {
    return this.#kernel.useNeighbour(ifindex, address);
  }

  setNeighbour(ifindex: number, address: Address, mac: Mac | undefined): Promise<void> {
    return this.#kernel.setNeighbour(ifindex, address, mac);
  }

  onChange(listener: (change: NetworkChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    this.#listeners.clear();
    this.#kernel.close();
  }

  #apply(event: NetworkEvent): void {
    switch (event.kind) {
      case 'link': {
        const before = this.links.get(event.link.ifindex);
        this.#told?.add(linkKey(event.link.ifindex));
        put(this.links, event.link.ifindex, event.link, event.removed);
        if (event.removed || !isSameLink(before, event.link)) this.#tell({ kind: 'link' });
        break;
      }
      case 'address':
        this.#told?.add(addressKey(event.address));
        put(this.#addresses, addressKey(event.address), event.address, event.removed);
        this.#held = undefined;
        this.#tell({ kind: 'address', removed: event.removed });
        break;
      case 'neighbour': {
        const { ifindex, address } = event.neighbour;
        this.#told?.add(neighbourKey(event.neighbour));
        put(this.#neighbours, neighbourKey(event.neighbour), event.neighbour, event.removed);
        this.#tell({ kind: 'neighbour', ifindex, address });
        break;
      }
      case 'route':
        this.#tell({ kind: 'route', destination: event.route.destination });
        break;
      case 'policy':
        this.#tell({ kind: 'route', destination: undefined });
        break;
      case 'lost':
        this.#parts.log.warn('Network events were lost; reading the tables anew');
        void this.#readAgain();
    }
  }

  async #readAgain(): Promise<void> {
    try {
      await this.read();
      this.#tell({ kind: 'all' });
    } catch (error) {
      if (this.#closed) return;
      this.#parts.log.error('Cannot read the network tables; will try again', { error });
      this.#parts.clock.after(RESYNC_RETRY_MS, () => void this.#readAgain());
    }
  }

  #tell(change: NetworkChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function put<K, V>(table: Map<K, V>, key: K, value: V, removed: boolean): void {
  if (removed) table.delete(key);
  else table.set(key, value);
}

/** Makes the table hold `values`, apart from keys that somebody knows better. */
function replace<K, V>(
  table: Map<K, V>,
  values: readonly V[],
  keyOf: (value: V) => K,
  isNewer: (key: K) => boolean,
): void {
  for (const key of [...table.keys()]) if (!isNewer(key)) table.delete(key);
  for (const value of values) if (!isNewer(keyOf(value))) table.set(keyOf(value), value);
}

/** Statistics and attached programs are told of by the same event, and are no change here. */
function isSameLink(a: Link | undefined, b: Link): boolean {
  return a !== undefined && isDeepStrictEqual({ ...a, xdp: 'none' }, { ...b, xdp: 'none' });
}

function linkKey(ifindex: number): string {
  return `link ${ifindex}`;
}

function addressKey({ ifindex, address }: InterfaceAddress): string {
  return `address ${ifindex} ${address}`;
}

function neighbourKey({ ifindex, address }: Pick<Neighbour, 'ifindex' | 'address'>): string {
  return `neighbour ${ifindex} ${address}`;
}
