import {
  type Address,
  addressFromBigInt,
  type Family,
  familyOf,
  isLinkLocal,
} from '../../domain/address.ts';
import type { Log } from '../../domain/log.ts';
import { BROADCAST_MAC, type Mac } from '../../domain/mac.ts';
import { prefixContains } from '../../domain/prefix.ts';
import { decodeArp, encodeArp } from '../../protocol/arp.ts';
import {
  decodeEthernet,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV6,
  encodeEthernet,
} from '../../protocol/ethernet.ts';
import { decodeNdp, encodeNdp, multicastMac, solicitedNodeGroup } from '../../protocol/ndp.ts';
import type { InterfaceAddress } from '../../protocol/rtnetlink/interface-address.ts';
import { ARPHRD_ETHER, type Link } from '../../protocol/rtnetlink/link.ts';
import {
  DROP,
  type FilterInstruction,
  IF_BITS,
  IF_EQUAL,
  LOAD_BYTE,
  LOAD_HALF,
  PACKET_TYPE,
  PASS,
} from '../../system/classic-bpf.ts';
import {
  PACKET_HOST,
  type PacketMessage,
  type PacketOptions,
  type PacketSocket,
} from '../../system/sockets.ts';
import type { Network } from '../network.ts';
import type { KeptNeighbour } from './kept-neighbour.ts';

/** Asks neighbours for their MAC address, by ARP or neighbour solicitation. */
export interface ProbeWire {
  /** Asks this MAC address alone, or everybody. False when the link is none to ask on. */
  ask(neighbour: KeptNeighbour, mac: Mac | undefined): boolean;
  close(): void;
}

export interface ProbeWireParts {
  readonly network: Network;
  readonly log: Log;
  readonly openPacketSocket: (
    options: PacketOptions,
    onMessage: (message: PacketMessage) => void,
    onError: (error: NodeJS.ErrnoException) => void,
  ) => PacketSocket;
  /** Somebody says that the address is at this MAC, to us, as an answer. */
  readonly onAnswer: (ifindex: number, address: Address, mac: Mac) => void;
}

const NO_MAC = 0 as Mac;

/** Opens a socket for each interface and family when the first question goes there. */
export function createProbeWire(parts: ProbeWireParts): ProbeWire {
  const { network, log } = parts;
  const sockets = new Map<string, PacketSocket>();
  /** Found once, until addresses change. */
  const sources = new Map<string, Address | undefined>();
  const refused = new Set<string>();

  const unsubscribe = network.onChange(({ kind }) => {
    if (kind === 'address' || kind === 'all') sources.clear();
    if (kind !== 'link' && kind !== 'all') return;
    refused.clear();
    for (const [key, socket] of sockets) {
      if (network.links.has(Number(key.split(' ')[0]))) continue;
      socket.close();
      sockets.delete(key);
    }
  });

  function socketOn(ifindex: number, family: Family): PacketSocket | undefined {
    const key = `${ifindex} ${family}`;
    const open = sockets.get(key);
    if (open || refused.has(key)) return open;
    try {
      const socket = parts.openPacketSocket(
        {
          family: 'packet',
          ifindex,
          etherType: family === 4 ? ETHERTYPE_ARP : ETHERTYPE_IPV6,
          filter: family === 4 ? ARP_REPLIES : ADVERTISEMENTS,
        },
        ({ bytes }) => receive(ifindex, family, bytes),
        // The interface went down: rtnetlink says so, too, and asking fails meanwhile.
        () => undefined,
      );
      sockets.set(key, socket);
      return socket;
    } catch (error) {
      refused.add(key);
      log.warn('Cannot ask neighbours on an interface; the kernel alone watches them', {
        interface: network.links.get(ifindex)?.name ?? ifindex,
        error: error as Error,
      });
      return undefined;
    }
  }

  function sourceFor({ ifindex, address }: KeptNeighbour): Address | undefined {
    const key = `${ifindex} ${address}`;
    if (!sources.has(key))
      sources.set(key, chooseSource([...network.addresses()], ifindex, address));
    return sources.get(key);
  }

  function receive(ifindex: number, family: Family, bytes: Uint8Array) {
    const frame = decodeEthernet(bytes).value;
    const answer = frame && (family === 4 ? answerOfArp(frame) : answerOfNdp(frame));
    if (answer) parts.onAnswer(ifindex, answer.address, answer.mac);
  }

  return {
    ask(neighbour, mac) {
      const link = network.links.get(neighbour.ifindex);
      const source = sourceFor(neighbour);
      if (!link || link.mac === undefined || !canAsk(link) || source === undefined) return false;
      const frame = question({ address: neighbour.address, mac, source, sourceMac: link.mac });
      try {
        const socket = socketOn(neighbour.ifindex, familyOf(neighbour.address));
        socket?.send(frame);
        return socket !== undefined;
      } catch {
        // ENETDOWN, ENXIO, ENOBUFS: as if it had been lost on the wire.
        return false;
      }
    },
    close() {
      unsubscribe();
      for (const socket of sockets.values()) socket.close();
      sockets.clear();
    },
  };
}

function canAsk({ isUp, usesArp, hardwareType }: Link): boolean {
  return isUp && usesArp && hardwareType === ARPHRD_ETHER;
}

interface Question {
  readonly address: Address;
  readonly mac: Mac | undefined;
  readonly source: Address;
  readonly sourceMac: Mac;
}

/** The frame of an ARP request or a neighbour solicitation, to one MAC address or to everybody. */
export function question({ address, mac, source, sourceMac }: Question): Uint8Array {
  const frame = { source: sourceMac, vlan: undefined };
  if (familyOf(address) === 4) {
    const payload = encodeArp({
      operation: 'request',
      senderMac: sourceMac,
      senderAddress: source,
      targetMac: mac ?? NO_MAC,
      targetAddress: address,
    });
    const destination = mac ?? BROADCAST_MAC;
    return encodeEthernet({ ...frame, destination, etherType: ETHERTYPE_ARP, payload });
  }
  const group = solicitedNodeGroup(address);
  const payload = encodeNdp({
    kind: 'solicitation',
    source,
    destination: mac === undefined ? group : address,
    target: address,
    sourceMac,
  });
  const destination = mac ?? multicastMac(group);
  return encodeEthernet({ ...frame, destination, etherType: ETHERTYPE_IPV6, payload });
}

interface Answer {
  readonly address: Address;
  readonly mac: Mac;
}

function answerOfArp({ payload }: { readonly payload: Uint8Array }): Answer | undefined {
  const arp = decodeArp(payload).value;
  if (arp?.operation !== 'reply') return undefined;
  return { address: arp.senderAddress, mac: arp.senderMac };
}

/** To a question that went to it alone an answer may leave its MAC address out (RFC 4861 §7.2.4). */
function answerOfNdp(frame: { readonly payload: Uint8Array; readonly source: Mac }) {
  const message = decodeNdp(frame.payload).value;
  if (message?.kind !== 'advertisement' || !message.solicited) return undefined;
  return { address: message.target, mac: message.targetMac ?? frame.source };
}

/**
 * An address of ours that the neighbour can answer to: of its subnet, else of the interface (for
 * IPv6 the link-local one, as it always has it), else of the box.
 */
export function chooseSource(
  addresses: readonly InterfaceAddress[],
  ifindex: number,
  target: Address,
): Address | undefined {
  const family = familyOf(target);
  const usable = addresses.filter((each) => each.isUsable && familyOf(each.address) === family);
  const here = usable.filter((each) => each.ifindex === ifindex);
  const chosen =
    (family === 6 && here.find(({ address }) => isLinkLocal(address))) ||
    here.find((each) => isSubnetOf(each, target)) ||
    here[0] ||
    usable.find(({ address }) => !isLinkLocal(address) && !isLoopbackAddress(address));
  return chosen?.address;
}

function isSubnetOf({ address, prefixLength }: InterfaceAddress, target: Address): boolean {
  const bits = familyOf(address) === 4 ? 32 : 128;
  const shift = BigInt(bits - prefixLength);
  const base = addressFromBigInt((address >> shift) << shift);
  return prefixContains({ base, length: prefixLength }, target);
}

function isLoopbackAddress(address: Address): boolean {
  return address === 1n || (familyOf(address) === 4 && ((address >> 24n) & 0xffn) === 127n);
}

/** What reaches JavaScript: answers to this host. Offsets are of the frame. */
const ARP_REPLIES: readonly FilterInstruction[] = [
  [LOAD_BYTE, 0, 0, PACKET_TYPE],
  [IF_EQUAL, 0, 3, PACKET_HOST],
  [LOAD_HALF, 0, 0, 20],
  [IF_EQUAL, 0, 1, 2],
  PASS,
  DROP,
];

/** ICMPv6 (58), type 136, solicited. */
const ADVERTISEMENTS: readonly FilterInstruction[] = [
  [LOAD_BYTE, 0, 0, PACKET_TYPE],
  [IF_EQUAL, 0, 7, PACKET_HOST],
  [LOAD_BYTE, 0, 0, 20],
  [IF_EQUAL, 0, 5, 58],
  [LOAD_BYTE, 0, 0, 54],
  [IF_EQUAL, 0, 3, 136],
  [LOAD_BYTE, 0, 0, 58],
  [IF_BITS, 0, 1, 0x40],
  PASS,
  DROP,
];
