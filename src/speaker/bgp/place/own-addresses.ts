import {
  type Address,
  addressFromBigInt,
  compareAddresses,
  familyOf,
  isLinkLocal,
} from '../../../domain/address.ts';
import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import { prefixContains } from '../../../domain/prefix.ts';
import type { InterfaceAddress } from '../../../protocol/rtnetlink/interface-address.ts';
import type { Link } from '../../../protocol/rtnetlink/link.ts';
import type { NetworkEvent, Rtnetlink } from '../../../system/rtnetlink.ts';

/** An address of this box that others can reach it by. */
export interface OwnAddress {
  readonly ifindex: number;
  readonly address: Address;
  /** In the address's own family. */
  readonly prefixLength: number;
}

export interface OwnAddresses {
  /** Sorted by number, so that what is chosen of them stays the same. */
  current(): readonly OwnAddress[];
  /** Idempotent; nothing is told afterwards. */
  close(): void;
}

/** What is told of this box's interfaces; nothing before the first list. */
export interface OwnAddressesNews {
  /** Addresses have come or gone. */
  onChange(): void;
  /** An interface that had no carrier, or was not known, has one. */
  onLinkUp(): void;
}

/** Changes are collected for so long: addresses come one after the other. */
const SETTLE_MS = 200;

/**
 * Follows the addresses of this box, those of the loopback network and `::1` apart. Resolves when they
 * were listed once. Rejects with errors of netlink.
 */
export async function watchOwnAddresses(
  openRtnetlink: (onEvent: (event: NetworkEvent) => void) => Rtnetlink,
  clock: Clock,
  log: Log,
  { onChange, onLinkUp }: OwnAddressesNews,
): Promise<OwnAddresses> {
  let current: readonly OwnAddress[] = [];
  let closed = false;
  let listing = true;
  let isKnown = false;
  let cancel: (() => void) | undefined;
  /** Indices of interfaces with a carrier, as far as events have told. */
  const running = new Set<number>();
  const rtnetlink = openRtnetlink((event) => {
    if (event.kind === 'address' || event.kind === 'lost') refreshSoon();
    else if (event.kind === 'link') followLink(event.link, event.removed);
  });

  function followLink({ ifindex, isRunning }: Link, removed: boolean) {
    const isUp = isRunning && !removed;
    const isNews = isUp && !running.has(ifindex);
    if (isUp) running.add(ifindex);
    else running.delete(ifindex);
    if (isNews && isKnown && !closed) onLinkUp();
  }

  function refreshSoon() {
    if (closed) return;
    cancel ??= clock.after(SETTLE_MS, () => {
      cancel = undefined;
      if (listing) refreshSoon();
      else void refresh();
    });
  }

  async function refresh(): Promise<void> {
    listing = true;
    try {
      const next = ownAddressesOf(await rtnetlink.addresses());
      if (closed || sameAddresses(current, next)) return;
      current = next;
      onChange();
    } catch (error) {
      if (closed) return;
      log.warn('Cannot list the addresses of this box; trying again', { error });
      refreshSoon();
    } finally {
      listing = false;
    }
  }

  const close = () => {
    closed = true;
    cancel?.();
    rtnetlink.close();
  };
  try {
    current = ownAddressesOf(await rtnetlink.addresses());
    isKnown = true;
  } catch (error) {
    close();
    throw error;
  } finally {
    listing = false;
  }
  return { current: () => current, close };
}

export function ownAddressesOf(addresses: readonly InterfaceAddress[]): OwnAddress[] {
  return addresses
    .filter(({ address, isUsable }) => isUsable && !isLoopback(address))
    .map(({ ifindex, address, prefixLength }) => ({ ifindex, address, prefixLength }))
    .sort((a, b) => compareAddresses(a.address, b.address) || a.ifindex - b.ifindex);
}

/** Whether an address is on a link of this box, and so no router away. */
export function isOnLink(remote: Address, own: readonly OwnAddress[]): boolean {
  if (isLinkLocal(remote)) return true;
  return own.some(({ address, prefixLength }) => {
    if (familyOf(address) !== familyOf(remote)) return false;
    const bits = BigInt((familyOf(address) === 4 ? 32 : 128) - prefixLength);
    const base = addressFromBigInt((address >> bits) << bits);
    return prefixContains({ base, length: prefixLength }, remote);
  });
}

function isLoopback(address: Address): boolean {
  return address === 1n || address >> 24n === 0xffff_7fn;
}

function sameAddresses(a: readonly OwnAddress[], b: readonly OwnAddress[]): boolean {
  return (
    a.length === b.length &&
    a.every((one, index) => {
      const other = b[index] as OwnAddress;
      return (
        one.address === other.address &&
        one.ifindex === other.ifindex &&
        one.prefixLength === other.prefixLength
      );
    })
  );
}
