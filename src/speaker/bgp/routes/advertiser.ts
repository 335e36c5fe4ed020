import type { Address, Family } from '../../../domain/address.ts';
import type { BgpRoute } from '../../../domain/bgp/bgp-route.ts';
import type { Clock } from '../../../domain/clock.ts';
import type { KeyedMap } from '../../../domain/keyed-map.ts';
import type { ObjectKey } from '../../../domain/object.ts';
import { formatPrefix } from '../../../domain/prefix.ts';
import { afiOf, SAFI_UNICAST } from '../../../protocol/bgp/address-family.ts';
import type { PathAttributes } from '../../../protocol/bgp/message.ts';
import type { Negotiated } from '../../../protocol/bgp/session/negotiated.ts';
import { packUpdates, type RefusalReason } from '../../../protocol/bgp/update/pack-updates.ts';
import type { Wire } from '../connection/wire.ts';
import type { OwnAddress } from '../place/own-addresses.ts';
import { createAdjRibOut, type RibStep, type RouteChange, type ToldRoute } from './adj-rib-out.ts';
import { familiesWithoutNextHop, type NextHops, nextHopsOf } from './next-hops.ts';
import { createPaths, type Paths } from './paths.ts';
import { createRefreshPace } from './refresh-pace.ts';

/** Octets that may wait for a peer before nothing more is said to it until it has read them. */
export const QUEUED_BYTES_MAX = 128 * 1024;
/** Prefixes that are taken at a time, to be packed together. */
const BATCH_PREFIXES = 1000;

/** Tells one peer what this box announces, as fast as the peer reads. */
export interface Advertiser {
  want(routes: KeyedMap<BgpRoute>, changes: readonly RouteChange[]): void;
  /** The session is established over this connection. */
  begin(wire: Wire, local: Address, negotiated: Negotiated): void;
  /** The session has ended. */
  end(): void;
  /** The peer asks for a family again; who asks all the time is answered from time to time. */
  refresh(family: Family): void;
  /** Goes on where the peer had to read first. */
  flush(): void;
  /** What this box announces is complete: End-of-RIB may be said, now and in sessions to come. */
  completeTable(): void;
  /** Addresses of this box changed. */
  followAddresses(): void;
  /** Why not everything can be told; empty: it can. */
  obstacle(): string;
  has(prefix: string): boolean;
  told(): ReadonlyMap<string, ToldRoute>;
  counts(): { readonly announced: number; readonly pending: number };
}

export interface AdvertiserOptions {
  readonly clock: Clock;
  readonly peer: ObjectKey;
  readonly localAsn: () => number;
  readonly own: () => readonly OwnAddress[];
  /** Whether what this box announces is complete already. */
  readonly complete: boolean;
  /** The peer knows of these prefixes what it did not know before. */
  onTold(prefixes: readonly string[]): void;
}

interface Talk {
  readonly wire: Wire;
  readonly local: Address;
  readonly negotiated: Negotiated;
  readonly known: Map<string, PathAttributes>;
  nextHops: NextHops;
  /** Messages of the prefixes that were taken last, made one by one as the peer reads. */
  messages: Iterator<Uint8Array>;
}

const REFUSALS: Readonly<Record<RefusalReason, string>> = {
  attributesTooLong: 'its communities do not fit into one message',
  noNextHop: 'its next hop is of another family',
  familyNotNegotiated: 'the peer does not speak this family',
};

const NOTHING: readonly Uint8Array[] = [];

export function createAdvertiser(options: AdvertiserOptions): Advertiser {
  const rib = createAdjRibOut(options.peer);
  const refused = new Map<string, RefusalReason>();
  const pace = createRefreshPace(options.clock, sayAgain);
  let complete = options.complete;
  let talk: Talk | undefined;

  function pathsOf({ negotiated, nextHops, known }: Talk): Paths {
    const { internal, codec } = negotiated;
    const { extendedNextHop } = codec;
    const localAsn = options.localAsn();
    return createPaths({ localAsn, internal, extendedNextHop, nextHops }, known);
  }

  function hopsOf(local: Address, { codec }: Negotiated): NextHops {
    return nextHopsOf({ local, extendedNextHop: codec.extendedNextHop, own: options.own() });
  }

  function endOfRibs({ negotiated }: Talk) {
    for (const family of negotiated.codec.families) rib.endOfRib(family);
  }

  function say(step: RibStep, talk: Talk) {
    const { wire } = talk;
    if (step.kind === 'changes') {
      const { messages, refused: bad } = packUpdates(step, wire.context());
      for (const key of step.keys) refused.delete(key);
      for (const { prefix, reason } of bad) {
        rib.refuse(formatPrefix(prefix));
        refused.set(formatPrefix(prefix), reason);
      }
      talk.messages = messages[Symbol.iterator]();
      options.onTold(step.keys);
    } else if (step.kind === 'endOfRib') {
      wire.send({
        kind: 'update',
        withdrawn: [],
        announced: [],
        attributes: undefined,
        endOfRib: step.family,
        faults: [],
      });
    } else {
      wire.send({
        kind: 'routeRefresh',
        afi: afiOf(step.family),
        safi: SAFI_UNICAST,
        subtype: step.kind === 'beginOfRefresh' ? 'begin' : 'end',
      });
    }
  }

  function flush() {
    while (talk && talk.wire.queuedBytes < QUEUED_BYTES_MAX) {
      const message = talk.messages.next();
      if (!message.done) {
        talk.wire.sendUpdate(message.value);
        continue;
      }
      const next = rib.next(BATCH_PREFIXES);
      if (!next) return;
      say(next, talk);
    }
  }

  function sayAgain(family: Family) {
    if (!talk) return;
    rib.refresh(family, talk.negotiated.enhancedRouteRefresh);
    flush();
  }

  function obstacle(): string {
    if (!talk) return '';
    const { families } = talk.negotiated.codec;
    const mute = familiesWithoutNextHop(families, talk.nextHops).map((family) => `IPv${family}`);
    const names = mute.join(' and ');
    if (names) return `No ${names} address on its interface: ${names} is not announced`;
    const [first] = refused.keys();
    if (first === undefined) return '';
    const others = refused.size > 1 ? ` and ${refused.size - 1} others` : '';
    return `Cannot tell of ${first}${others}: ${REFUSALS[refused.get(first) ?? 'noNextHop']}`;
  }

  return {
    want(routes, changes) {
      rib.want(routes, changes);
      flush();
    },
    begin(wire, local, negotiated) {
      const nextHops = hopsOf(local, negotiated);
      const messages = NOTHING.values();
      talk = { wire, local, negotiated, known: new Map(), nextHops, messages };
      rib.open(pathsOf(talk), negotiated.codec.families);
      if (complete) endOfRibs(talk);
      flush();
    },
    end() {
      if (!talk) return;
      talk = undefined;
      pace.clear();
      const forgotten = [...rib.told().keys()];
      rib.close();
      refused.clear();
      options.onTold(forgotten);
    },
    refresh(family) {
      if (talk) pace.request(family);
    },
    flush,
    completeTable() {
      if (complete) return;
      complete = true;
      if (talk) endOfRibs(talk);
      flush();
    },
    followAddresses() {
      if (!talk) return;
      talk.nextHops = hopsOf(talk.local, talk.negotiated);
      rib.repath(pathsOf(talk));
      flush();
    },
    obstacle,
    has: rib.has,
    told: rib.told,
    counts: rib.counts,
  };
}
