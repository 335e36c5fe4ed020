import type { Address } from '../domain/address.ts';
import { addressToBytes } from '../domain/address.ts';
import { type Mac, macToBytes } from '../domain/mac.ts';
import { type FilterInstruction, filterWords } from './classic-bpf.ts';
import { loadNative } from './native.ts';

/**
 * Raw sockets on the event loop: rtnetlink, Ethernet frames, and membership of IPv6 groups.
 *
 * Messages are fresh copies, delivered from the event loop, a bounded number a wake. Errors while
 * receiving go to `onError` (an `Error` with `code`) and the socket goes on: `ENOBUFS` on netlink
 * means that events were lost and the reader must ask for everything anew; `ENETDOWN` on a packet
 * socket that its interface went down. Functions throw errors with `code`. A socket stays open until
 * `close()`, and does not keep the process alive unless `keepAlive` says so.
 */
export interface NetlinkOptions {
  readonly family: 'netlink';
  /** 0 is NETLINK_ROUTE. */
  readonly protocol: number;
  /** Multicast groups by number (`RTNLGRP_LINK` is 1), not as a mask. */
  readonly groups: readonly number[];
  readonly keepAlive?: boolean;
}

export interface PacketOptions {
  readonly family: 'packet';
  readonly ifindex: number;
  /** Only frames of this type arrive, for example 0x0806; a VLAN device's frames arrive there. */
  readonly etherType: number;
  /** Classic BPF, run by the kernel before JavaScript wakes; its result is how many bytes to take. */
  readonly filter?: readonly FilterInstruction[];
  readonly keepAlive?: boolean;
}

/** Values of `PacketMessage.packetType` that mean something here (`linux/if_packet.h`). */
export const PACKET_HOST = 0;
export const PACKET_BROADCAST = 1;
export const PACKET_OTHERHOST = 3;

/** A frame from the wire, Ethernet header first. */
export interface PacketMessage {
  readonly bytes: Uint8Array;
  readonly ifindex: number;
  readonly packetType: number;
  /** The tag control information the kernel took out of the frame; `undefined` when untagged. */
  readonly vlan: number | undefined;
}

export interface NetlinkSocket {
  /** Sends one request, whole. */
  send(bytes: Uint8Array): void;
  /** Idempotent; nothing is delivered afterwards. */
  close(): void;
}

export interface PacketSocket {
  /** Sends one frame, Ethernet header included. Throws `ENETDOWN`, `ENXIO`, `ENOBUFS`, … */
  send(frame: Uint8Array): void;
  /** Lets frames to this group through the interface's filter, until left or closed. Counted by the kernel. */
  joinMulticast(group: Mac): void;
  leaveMulticast(group: Mac): void;
  /** Idempotent; nothing is delivered afterwards. */
  close(): void;
}

/** Holds memberships of IPv6 groups on one interface; the kernel speaks MLD for them. */
export interface GroupSocket {
  /** Throws `ENOBUFS` when `net.core.optmem_max` is used up, `ENODEV` without such an interface. */
  join(group: Address): void;
  leave(group: Address): void;
  /** Leaves all groups. Idempotent. */
  close(): void;
}

export function openSocket(
  options: NetlinkOptions,
  onMessage: (bytes: Uint8Array) => void,
  onError: (error: NodeJS.ErrnoException) => void,
): NetlinkSocket;
export function openSocket(
  options: PacketOptions,
  onMessage: (message: PacketMessage) => void,
  onError: (error: NodeJS.ErrnoException) => void,
): PacketSocket;
export function openSocket(
  options: NetlinkOptions | PacketOptions,
  onMessage: ((bytes: Uint8Array) => void) | ((message: PacketMessage) => void),
  onError: (error: NodeJS.ErrnoException) => void,
): NetlinkSocket | PacketSocket {
  return options.family === 'netlink'
    ? openNetlink(options, onMessage as (bytes: Uint8Array) => void, onError)
    : openPacket(options, onMessage as (message: PacketMessage) => void, onError);
}

export function openGroupSocket(ifindex: number): GroupSocket {
  const native = loadNative<SocketBinding>();
  const handle = native.groupSocket(ifindex);
  return {
    join: (group) => native.socketJoin(handle, addressToBytes(group)),
    leave: (group) => native.socketLeave(handle, addressToBytes(group)),
    close: () => native.socketClose(handle),
  };
}

/** An open socket of the addon. */
type Handle = { readonly __brand: 'SocketHandle' };

interface SocketBinding {
  netlinkSocket(
    protocol: number,
    groups: Uint32Array,
    onMessage: (bytes: Uint8Array) => void,
    onError: (error: NodeJS.ErrnoException) => void,
    keepAlive: boolean,
  ): Handle;
  packetSocket(
    ifindex: number,
    etherType: number,
    filter: Uint32Array,
    onMessage: (bytes: Uint8Array, ifindex: number, packetType: number, vlan: number) => void,
    onError: (error: NodeJS.ErrnoException) => void,
    keepAlive: boolean,
  ): Handle;
  groupSocket(ifindex: number): Handle;
  socketSend(handle: Handle, bytes: Uint8Array): void;
  socketJoin(handle: Handle, group: Uint8Array): void;
  socketLeave(handle: Handle, group: Uint8Array): void;
  socketClose(handle: Handle): void;
}

function openNetlink(
  options: NetlinkOptions,
  onMessage: (bytes: Uint8Array) => void,
  onError: (error: NodeJS.ErrnoException) => void,
): NetlinkSocket {
  const native = loadNative<SocketBinding>();
  const { protocol, groups, keepAlive = false } = options;
  const handle = native.netlinkSocket(
    protocol,
    Uint32Array.from(groups),
    onMessage,
    onError,
    keepAlive,
  );
  return {
    send: (bytes) => native.socketSend(handle, bytes),
    close: () => native.socketClose(handle),
  };
}

function openPacket(
  options: PacketOptions,
  onMessage: (message: PacketMessage) => void,
  onError: (error: NodeJS.ErrnoException) => void,
): PacketSocket {
  const native = loadNative<SocketBinding>();
  const { ifindex, etherType, filter = [], keepAlive = false } = options;
  const handle = native.packetSocket(
    ifindex,
    etherType,
    filterWords(filter),
    (bytes, from, packetType, vlan) =>
      onMessage({ bytes, ifindex: from, packetType, vlan: vlan < 0 ? undefined : vlan }),
    onError,
    keepAlive,
  );
  return {
    send: (frame) => native.socketSend(handle, frame),
    joinMulticast: (group) => native.socketJoin(handle, macToBytes(group)),
    leaveMulticast: (group) => native.socketLeave(handle, macToBytes(group)),
    close: () => native.socketClose(handle),
  };
}
