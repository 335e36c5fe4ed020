import { type Address, addressFromBytes, familyOf, formatAddress } from '../domain/address.ts';
import { formatMac, macFromBytes } from '../domain/mac.ts';
import { TCP_FLAGS } from './probe-frame.ts';

const VLAN_TYPES: readonly number[] = [0x8100, 0x88a8];
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const PROTOCOL_NAMES: Readonly<Record<number, string>> = { 1: 'ICMP', 58: 'ICMPv6' };

/**
 * One line in the manner of `tcpdump -en`: MACs, tags, addresses and ports, flags, TTL and size.
 * Whatever the bytes are; what is cut short is said so.
 */
export function describeFrame(frame: Uint8Array): string {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 14) return `${frame.length} bytes, too short for Ethernet`;
  const macs = `${macAt(frame, 6)} > ${macAt(frame, 0)}`;
  let at = 12;
  let tags = '';
  while (frame.length >= at + 6 && VLAN_TYPES.includes(view.getUint16(at))) {
    tags += ` vlan ${view.getUint16(at + 2) & 0xfff}`;
    at += 4;
  }
  const type = view.getUint16(at);
  return `${macs}${tags}, ${packetText(frame, view, type, at + 2)}`;
}

function macAt(frame: Uint8Array, at: number): string {
  return formatMac(macFromBytes(frame.subarray(at, at + 6)));
}

function packetText(frame: Uint8Array, view: DataView, type: number, at: number): string {
  if (type === ETHERTYPE_IPV4 && frame.length >= at + 20) return ipv4Text(frame, view, at);
  if (type === ETHERTYPE_IPV6 && frame.length >= at + 40) return ipv6Text(frame, view, at);
  return `ethertype 0x${type.toString(16).padStart(4, '0')}, ${frame.length - at} bytes`;
}

function ipv4Text(frame: Uint8Array, view: DataView, at: number): string {
  const protocol = view.getUint8(at + 9);
  const source = addressFromBytes(frame.subarray(at + 12, at + 16));
  const destination = addressFromBytes(frame.subarray(at + 16, at + 20));
  const rest = `ttl ${view.getUint8(at + 8)}, length ${view.getUint16(at + 2)}`;
  const fragment = view.getUint16(at + 6);
  const offset = (fragment & 0x1fff) * 8;
  const isFragment = (fragment & 0x3fff) !== 0;
  const tail = isFragment ? `, fragment at ${offset} of id ${view.getUint16(at + 4)}` : '';
  const transport = offset > 0 ? frame.length : at + (view.getUint8(at) & 15) * 4;
  return `IP ${endsText(view, protocol, source, destination, transport)}, ${rest}${tail}`;
}

function ipv6Text(frame: Uint8Array, view: DataView, at: number): string {
  const source = addressFromBytes(frame.subarray(at + 8, at + 24));
  const destination = addressFromBytes(frame.subarray(at + 24, at + 40));
  const rest = `hop limit ${view.getUint8(at + 7)}, length ${view.getUint16(at + 4) + 40}`;
  const next = view.getUint8(at + 6);
  return `IP6 ${endsText(view, next, source, destination, at + 40)}, ${rest}`;
}

/** Ports and flags of TCP and UDP, type and code of ICMP, else the protocol's number. */
function endsText(
  view: DataView,
  protocol: number,
  source: Address,
  destination: Address,
  at: number,
): string {
  const [from, to] = [formatAddress(source), formatAddress(destination)];
  if (view.byteLength >= at + 14 && protocol === 6) {
    const flags = flagsText(view.getUint8(at + 13));
    return `${portsText(view, source, destination, at)}: TCP [${flags}]`;
  }
  if (view.byteLength >= at + 8 && protocol === 17) {
    return `${portsText(view, source, destination, at)}: UDP`;
  }
  const name = PROTOCOL_NAMES[protocol];
  if (name && view.byteLength >= at + 8) {
    return `${from} > ${to}: ${name} type ${view.getUint8(at)} code ${view.getUint8(at + 1)}`;
  }
  return `${from} > ${to}: protocol ${protocol}`;
}

function portsText(view: DataView, source: Address, destination: Address, at: number): string {
  const [from, to] = [view.getUint16(at), view.getUint16(at + 2)];
  return `${withPort(source, from)} > ${withPort(destination, to)}`;
}

function withPort(address: Address, port: number): string {
  const text = formatAddress(address);
  return familyOf(address) === 6 ? `[${text}]:${port}` : `${text}:${port}`;
}

function flagsText(bits: number): string {
  const letters = Object.entries(TCP_FLAGS).flatMap(([letter, bit]) =>
    bits & bit && letter !== 'A' ? [letter] : [],
  );
  return `${letters.join('')}${bits & (TCP_FLAGS['A'] as number) ? '.' : ''}` || 'none';
}
