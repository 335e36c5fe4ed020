import { isDeepStrictEqual } from 'node:util';
import { type Address, type Family, familyOf, isLinkLocal } from '../domain/address.ts';
import type { Mac } from '../domain/mac.ts';
import type { InterfaceAddress } from '../protocol/rtnetlink/interface-address.ts';
import type { Network } from './network.ts';
import { isAggregate } from './way-out.ts';

/** What the data plane must know of an interface that carries the program. */
export interface PortFact {
  readonly ifindex: number;
  /** That frames for us are sent to; `undefined` where there are several. */
  readonly mac: Mac | undefined;
  /** Bytes of the largest IP packet. */
  readonly mtu: number;
  /** Sources of what is said in the box's own name there (ICMP errors); none: nothing is said. */
  readonly ipv4: Address | undefined;
  readonly ipv6: Address | undefined;
  /** The box's own clients come in here: addresses of the box are no forged sources. */
  readonly isLocal: boolean;
}

export interface PortFacts {
  /**
   * In order of their index, each followed by its members where it is a bond; that of the box's own
   * clients last.
   */
  readonly ports: readonly PortFact[];
  /** The smallest MTU towards the network: what fits it fits everywhere. `undefined` without ports. */
  readonly mtu: number | undefined;
}

export interface FollowedPortFacts {
  current(): PortFacts;
  /** The set of ports changed: looks again, and tells. */
  portsChanged(): void;
  stop(): void;
}

/** Which interfaces carry the program. */
export interface PortIndexes {
  /** Towards the network. */
  readonly ports: Iterable<number>;
  /** Where the box's own clients come in; its MTU follows the others'. */
  readonly local: number | undefined;
}

/** Facts of these ports as the kernel's tables have them now; a port without a link is left out. */
export function portFacts(
  network: Pick<Network, 'links' | 'addresses'>,
  { ports: ifindexes, local }: PortIndexes,
): PortFacts {
  const addresses = [...network.addresses()].filter(({ isUsable }) => isUsable);
  const links = [...network.links.values()];
  const ports = [...ifindexes]
    .sort((a, b) => a - b)
    .flatMap((ifindex): PortFact[] => {
      const link = network.links.get(ifindex);
      if (!link) return [];
      // A VLAN device's address serves where the port below it has none.
      const above = links.filter((each) => each.parent === ifindex && each.vlan !== undefined);
      const on = [ifindex, ...above.map((each) => each.ifindex)].map((index) =>
        addresses.filter((each) => each.ifindex === index),
      );
      const { mtu } = link;
      const mac = above.every((each) => each.mac === link.mac) ? link.mac : undefined;
      const fact = { mac, mtu, ipv4: choose(on, 4), ipv6: choose(on, 6), isLocal: false };
      // Packets come in by a bond's members, as the program sees it.
      const members = links.filter(({ master }) => master === ifindex && isAggregate(link));
      return [ifindex, ...members.map((each) => each.ifindex)].map((each) => ({
        ifindex: each,
        ...fact,
      }));
    });
  const mtu = ports.length === 0 ? undefined : Math.min(...ports.map((each) => each.mtu));
  return { ports: [...ports, ...localFact(network, local, ports)], mtu };
}

/** It has no address: what is said there is said from another port's. */
function localFact(
  network: Pick<Network, 'links'>,
  local: number | undefined,
  ports: readonly PortFact[],
): readonly PortFact[] {
  const link = local === undefined ? undefined : network.links.get(local);
  if (!link) return [];
  const { ifindex, mtu } = link;
  const ipv4 = ports.find((each) => each.ipv4 !== undefined)?.ipv4;
  const ipv6 = ports.find((each) => each.ipv6 !== undefined)?.ipv6;
  // Packets come to a MAC that is nobody's, so that without the program they go nowhere.
  return [{ ifindex, mac: undefined, mtu, ipv4, ipv6, isLocal: true }];
}

/** Follows the facts; tells only of changes. */
export function followPortFacts(parts: {
  readonly network: Network;
  readonly indexes: () => PortIndexes;
  readonly onChange: (facts: PortFacts) => void;
}): FollowedPortFacts {
  const { network, indexes, onChange } = parts;
  let facts = portFacts(network, indexes());
  const look = () => {
    const now = portFacts(network, indexes());
    if (isDeepStrictEqual(now, facts)) return;
    facts = now;
    onChange(facts);
  };
  const unsubscribe = network.onChange(({ kind }) => {
    if (kind !== 'neighbour' && kind !== 'route') look();
  });
  return { current: () => facts, portsChanged: look, stop: unsubscribe };
}

/** A global one before a link-local one; the smallest of its kind, so that it does not wander. */
function choose(
  groups: readonly (readonly InterfaceAddress[])[],
  family: Family,
): Address | undefined {
  const all = groups.flatMap((group) =>
    group
      .map(({ address }) => address)
      .filter((address) => familyOf(address) === family)
      .sort((a, b) => (a < b ? -1 : 1)),
  );
  return all.find((address) => !isLinkLocal(address) && !isIPv4LinkLocal(address)) ?? all[0];
}

/** 169.254.0.0/16 (RFC 3927). */
function isIPv4LinkLocal(address: Address): boolean {
  return familyOf(address) === 4 && ((address >> 16n) & 0xffffn) === 0xa9fen;
}
