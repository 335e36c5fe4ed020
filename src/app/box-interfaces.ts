import { type Address, compareAddresses, isLinkLocal } from '../domain/address.ts';
import type { BoxInterface } from '../domain/box.ts';
import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import { formatMac } from '../domain/mac.ts';
import type { InterfaceAddress } from '../protocol/rtnetlink/interface-address.ts';
import type { Link } from '../protocol/rtnetlink/link.ts';
import type { NetworkEvent, Rtnetlink } from '../system/rtnetlink.ts';

/** The interfaces of this box that matter to others, as they are. */
export interface BoxInterfaces {
  current(): readonly BoxInterface[];
  close(): void;
}

/** Changes are collected for so long: addresses come one after the other. */
export const SETTLE_MS = 500;

/**
 * Follows the interfaces that others can reach the box by: switched on, with a MAC address and an
 * address that is good beyond the link. Interfaces of Pods are none. `onChange` is called after each
 * change that shows, the first list included.
 */
export function watchBoxInterfaces(
  open: (onEvent: (event: NetworkEvent) => void) => Rtnetlink,
  clock: Clock,
  log: Log,
  onChange: () => void,
): BoxInterfaces {
  let current: readonly BoxInterface[] = [];
  let listing = false;
  let closed = false;
  let cancel: (() => void) | undefined;
  const rtnetlink = open(({ kind }) => {
    if (kind === 'link' || kind === 'address' || kind === 'lost') refreshSoon(SETTLE_MS);
  });

  function refreshSoon(delayMs: number) {
    cancel ??= clock.after(delayMs, () => {
      cancel = undefined;
      if (listing) refreshSoon(SETTLE_MS);
      else void refresh();
    });
  }

  async function refresh(): Promise<void> {
    listing = true;
    try {
      const next = interfacesOf(await rtnetlink.links(), await rtnetlink.addresses());
      const same = JSON.stringify(next, texts) === JSON.stringify(current, texts);
      if (closed || same) return;
      current = next;
      onChange();
    } catch (error) {
      if (closed) return;
      log.warn('Cannot list the interfaces of this box; trying again', { error });
      refreshSoon(SETTLE_MS);
    } finally {
      listing = false;
    }
  }

  refreshSoon(0);
  return {
    current: () => current,
    close() {
      closed = true;
      cancel?.();
      rtnetlink.close();
    },
  };
}

export function interfacesOf(
  links: readonly Link[],
  addresses: readonly InterfaceAddress[],
): BoxInterface[] {
  return links
    .flatMap((link): BoxInterface[] => {
      const { name, mac, isUp, isLoopback, ifindex } = link;
      const own = addresses.filter((one) => one.ifindex === ifindex).map(({ address }) => address);
      const reachable = own.filter((address) => !isOnLink(address)).sort(compareAddresses);
      if (!isUp || isLoopback || mac === undefined || reachable.length === 0) return [];
      return [{ name, mac: formatMac(mac), addresses: reachable }];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** fe80::/10 and 169.254.0.0/16 (RFC 3927). */
function isOnLink(address: Address): boolean {
  return isLinkLocal(address) || address >> 16n === 0xffff_a9fen;
}

const texts = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);
