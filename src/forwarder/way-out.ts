import type { Link, VlanTag } from '../protocol/rtnetlink/link.ts';
import { VLANS_MAX } from './next-hop.ts';

/** How packets leave that the kernel would send by some interface. */
export interface WayOut {
  /** Of the interface that carries the XDP program. */
  readonly ifindex: number;
  /** Outermost first. */
  readonly vlans: readonly VlanTag[];
  readonly problem?: undefined;
}

/**
 * The way by `link`: itself where it carries the program, else the interface below a VLAN device,
 * with the tags that the device would add. A sentence with a remedy where there is none.
 */
export function wayOut(
  links: ReadonlyMap<number, Link>,
  link: Link,
  isPort: (ifindex: number) => boolean,
): WayOut | { readonly problem: string } {
  const vlans: VlanTag[] = [];
  let at: Link | undefined = link;
  while (at && !isPort(at.ifindex)) {
    if (at.vlan === undefined) return { problem: noProgram(link, at) };
    vlans.unshift(at.vlan);
    if (vlans.length > VLANS_MAX) return { problem: tooManyTags(link) };
    at = links.get(at.parent);
  }
  return at ? { ifindex: at.ifindex, vlans } : { problem: noProgram(link, link) };
}

/** What carries the packets of an interface: for a VLAN device its parent, for a member its master. */
export function carrierOf(links: ReadonlyMap<number, Link>, link: Link): Link {
  let at = link;
  for (let steps = 0; steps < links.size; steps++) {
    const master = links.get(at.master);
    const isMember = master !== undefined && MASTERS.includes(master.kind);
    const below = at.vlan === undefined ? undefined : links.get(at.parent);
    const next = isMember ? master : below;
    if (!next) break;
    at = next;
  }
  return at;
}

/** True for what makes one interface of several. */
export function isAggregate(link: Link | undefined): boolean {
  return link?.kind === 'bond' || link?.kind === 'team';
}

/** Frames of their members arrive at them; those of a VRF's stay with the members. */
const MASTERS: readonly string[] = ['bond', 'team', 'bridge'];

function noProgram(link: Link, carrier: Link): string {
  const problem = `The way to it leads by ${link.name}, which does not carry the XDP program`;
  return `${problem}; add ${carrier.name} to forwarder.interfaces`;
}

function tooManyTags({ name }: Link): string {
  const problem = `The way to it leads by ${name}, with more than ${VLANS_MAX} VLAN tags`;
  return `${problem}; use a VLAN device with fewer`;
}
