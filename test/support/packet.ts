/**
 * Packets for tests: built from readable fields with checksums computed in full (so that they check
 * the program's incremental ones), and taken apart again for a readable difference.
 */
import { type Address, addressToWire, familyOf, parseAddress } from '../../src/domain/address.ts';
import { type Mac, macToBytes, parseMac } from '../../src/domain/mac.ts';

export interface PacketFields {
  /**
   * `192.0.2.1:80` or `[2001:db8::1]:80`; for ICMP the port is left out: `192.0.2.1`,
   * `2001:db8::1`.
   */
  readonly from: string;
  readonly to: string;
  readonly srcMac?: string;
  readonly dstMac?: string;
  readonly ttl?: number;
  readonly payload?: string | Uint8Array;
  /** TCP flags out of `FSRPAU`. */
  readonly flags?: string;
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  /** A multiple of 4 bytes. */
  readonly tcpOptions?: Uint8Array;
  /** IPv4's type of service or IPv6's traffic class. */
  readonly tos?: number;
  readonly flowLabel?: number;
  /** IPv4 options, a multiple of 4 bytes. */
  readonly ipOptions?: Uint8Array;
  /** IPv4 identification. */
  readonly id?: number;
  /** IPv4 fragment: offset in units of 8 bytes. */
  readonly fragment?: { readonly offset: number; readonly more: boolean };
  /** IPv6 extension headers before the transport. */
  readonly extensions?: readonly Extension[];
  /** Tags, the outer one first. */
  readonly vlans?: readonly Vlan[];
  readonly noChecksum?: boolean;
  /** Ethernet padding after the IP packet. */
  readonly padding?: number;
  /** Fields that shall not say the truth. */
  readonly lie?: {
    readonly version?: number;
    readonly headerLength?: number;
    readonly length?: number;
    readonly dataOffset?: number;
    readonly udpLength?: number;
  };
  /** Frame bytes that remain. */
  readonly cut?: number;
}

export interface Extension {
  /** Its protocol number. */
  readonly header: number;
  /** Its bytes after the next-header field. */
  readonly rest: Uint8Array;
}

export interface Vlan {
  readonly id: number;
  /** Priority and drop eligible indicator: the upper 4 bits. */
  readonly priority?: number;
  /** A service tag, 802.1ad (0x88a8); else 802.1Q (0x8100). */
  readonly service?: boolean;
}

export const CLIENT_MAC = '02:00:00:00:00:c1';
export const EDGE_MAC = '02:00:00:00:00:ed';

const PROTOCOLS = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const;
const TCP_FLAGS = 'FSRPAU';

export function tcp(fields: PacketFields): Uint8Array {
  const [src, srcPort] = endpoint(fields.from);
  const [dst, dstPort] = endpoint(fields.to);
  const payload = payloadBytes(fields.payload);
  const options = fields.tcpOptions ?? new Uint8Array();
  const header = 20 + options.length;
  const segment = new Uint8Array(header + payload.length);
  const view = new DataView(segment.buffer);
  const flags = [...(fields.flags ?? 'A')].reduce((sum, c) => sum | (1 << TCP_FLAGS.indexOf(c)), 0);
  view.setUint16(0, srcPort);
  view.setUint16(2, dstPort);
  view.setUint32(4, fields.seq ?? 1000);
  view.setUint32(8, fields.ack ?? 2000);
  view.setUint8(12, (fields.lie?.dataOffset ?? header / 4) << 4);
  view.setUint8(13, flags);
  view.setUint16(14, fields.window ?? 65535);
  segment.set(options, 20);
  segment.set(payload, header);
  view.setUint16(16, transportChecksum(src, dst, PROTOCOLS.tcp, segment));
  return frame(fields, src, dst, PROTOCOLS.tcp, segment);
}

export function udp(fields: PacketFields): Uint8Array {
  const [src, srcPort] = endpoint(fields.from);
  const [dst, dstPort] = endpoint(fields.to);
  const payload = payloadBytes(fields.payload);
  const datagram = new Uint8Array(8 + payload.length);
  const view = new DataView(datagram.buffer);
  view.setUint16(0, srcPort);
  view.setUint16(2, dstPort);
  view.setUint16(4, fields.lie?.udpLength ?? datagram.length);
  datagram.set(payload, 8);
  if (!fields.noChecksum)
    view.setUint16(6, transportChecksum(src, dst, PROTOCOLS.udp, datagram) || 0xffff);
  return frame(fields, src, dst, PROTOCOLS.udp, datagram);
}

export interface IcmpFields extends PacketFields {
  readonly type: number;
  readonly code?: number;
  /** The header's last 32 bits; id 7 and sequence 1 by default. */
  readonly info?: number;
}

/** ICMP or ICMPv6 by the addresses' family. */
export function icmp(fields: IcmpFields): Uint8Array {
  const src = address(fields.from);
  const dst = address(fields.to);
  const payload = payloadBytes(fields.payload);
  const message = new Uint8Array(8 + payload.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, fields.type);
  view.setUint8(1, fields.code ?? 0);
  view.setUint32(4, fields.info ?? 0x0007_0001);
  message.set(payload, 8);
  const six = familyOf(src) === 6;
  view.setUint16(
    2,
    six ? transportChecksum(src, dst, PROTOCOLS.icmp6, message) : checksum([message]),
  );
  return frame(fields, src, dst, six ? PROTOCOLS.icmp6 : PROTOCOLS.icmp, message);
}

/** An IP packet of any protocol. */
export function ip(fields: PacketFields, protocol: number): Uint8Array {
  return frame(
    fields,
    address(fields.from),
    address(fields.to),
    protocol,
    payloadBytes(fields.payload),
  );
}

function frame(
  fields: PacketFields,
  src: Address,
  dst: Address,
  protocol: number,
  transport: Uint8Array,
): Uint8Array {
  const six = familyOf(dst) === 6;
  const header = six
    ? ipv6Header(fields, src, dst, protocol, transport.length)
    : ipv4Header(fields, src, dst, protocol, transport.length);
  const type = six ? 0x86dd : 0x0800;
  const tags = (fields.vlans ?? []).flatMap(({ id, priority = 0, service = false }) => [
    ...(service ? [0x88, 0xa8] : [0x81, 0x00]),
    (priority << 4) | (id >> 8),
    id & 255,
  ]);
  const bytes = concat([
    macToBytes(mac(fields.dstMac ?? EDGE_MAC)),
    macToBytes(mac(fields.srcMac ?? CLIENT_MAC)),
    new Uint8Array([...tags, type >> 8, type & 255]),
    header,
    transport,
    new Uint8Array(fields.padding ?? 0).fill(0xee),
  ]);
  return fields.cut === undefined ? bytes : bytes.slice(0, fields.cut);
}

function ipv4Header(
  fields: PacketFields,
  src: Address,
  dst: Address,
  protocol: number,
  size: number,
): Uint8Array {
  const options = fields.ipOptions ?? new Uint8Array();
  const header = new Uint8Array(20 + options.length);
  const view = new DataView(header.buffer);
  const { offset, more } = fields.fragment ?? { offset: 0, more: false };
  view.setUint8(
    0,
    ((fields.lie?.version ?? 4) << 4) | (fields.lie?.headerLength ?? header.length / 4),
  );
  view.setUint8(1, fields.tos ?? 0);
  view.setUint16(2, fields.lie?.length ?? header.length + size);
  view.setUint16(4, fields.id ?? 0x1234);
  view.setUint16(6, fields.fragment ? (more ? 0x2000 : 0) | offset : 0x4000);
  view.setUint8(8, fields.ttl ?? 64);
  view.setUint8(9, protocol);
  header.set(addressToWire(src), 12);
  header.set(addressToWire(dst), 16);
  header.set(options, 20);
  view.setUint16(10, checksum([header]));
  return header;
}

function ipv6Header(
  fields: PacketFields,
  src: Address,
  dst: Address,
  protocol: number,
  size: number,
): Uint8Array {
  const headers = fields.extensions ?? [];
  const extensions = concat(
    headers.map(({ rest }, i) => new Uint8Array([headers[i + 1]?.header ?? protocol, ...rest])),
  );
  const header = new Uint8Array(40);
  const view = new DataView(header.buffer);
  view.setUint32(
    0,
    ((fields.lie?.version ?? 6) << 28) | ((fields.tos ?? 0) << 20) | (fields.flowLabel ?? 0x12345),
  );
  view.setUint16(4, fields.lie?.length ?? extensions.length + size);
  view.setUint8(6, headers[0]?.header ?? protocol);
  view.setUint8(7, fields.ttl ?? 64);
  header.set(addressToWire(src), 8);
  header.set(addressToWire(dst), 24);
  return concat([header, extensions]);
}

/** RFC 1071, over the pieces, each padded to an even length. */
export function checksum(pieces: readonly Uint8Array[]): number {
  let sum = 0;
  for (const piece of pieces)
    for (let i = 0; i < piece.length; i += 2) sum += ((piece[i] ?? 0) << 8) | (piece[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

export function transportChecksum(
  src: Address,
  dst: Address,
  protocol: number,
  segment: Uint8Array,
): number {
  const length = new Uint8Array([0, 0, segment.length >> 8, segment.length & 255, 0, protocol]);
  return checksum([addressToWire(src), addressToWire(dst), length, segment]);
}

function endpoint(text: string): [Address, number] {
  const colon = text.lastIndexOf(':');
  return [address(text.slice(0, colon).replace(/^\[|\]$/g, '')), Number(text.slice(colon + 1))];
}

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`"${text}" is not an address`);
  return parsed;
}

function mac(text: string): Mac {
  const parsed = parseMac(text);
  if (parsed === undefined) throw new Error(`"${text}" is not a MAC`);
  return parsed;
}

function payloadBytes(payload: string | Uint8Array | undefined): Uint8Array {
  return typeof payload === 'string'
    ? new TextEncoder().encode(payload)
    : (payload ?? new Uint8Array());
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

/** What a packet says, a line a field; good enough to see what differs. */
export function describePacket(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const hex = (from: number, to: number) =>
    Buffer.from(bytes.subarray(from, to))
      .toString('hex')
      .replace(/(..)(?=.)/g, '$1:');
  const lines = [`eth dst ${hex(0, 6)}`, `eth src ${hex(6, 12)}`, `eth type ${hex(12, 14)}`];
  const six = bytes.length >= 54 && view.getUint16(12) === 0x86dd;
  const four = bytes.length >= 34 && view.getUint16(12) === 0x0800;
  if (!six && !four) return [...lines, `rest ${hex(14, bytes.length)}`];
  const dotted = (at: number) => [...bytes.subarray(at, at + 4)].join('.');
  if (four) {
    lines.push(`ip length ${view.getUint16(16)}`, `ip ttl ${view.getUint8(22)}`);
    lines.push(`ip protocol ${view.getUint8(23)}`, `ip check ${hex(24, 26)}`);
    lines.push(`ip src ${dotted(26)}`, `ip dst ${dotted(30)}`);
  } else {
    lines.push(`ip length ${view.getUint16(18)}`, `ip next ${view.getUint8(20)}`);
    lines.push(`ip hops ${view.getUint8(21)}`, `ip src ${hex(22, 38)}`, `ip dst ${hex(38, 54)}`);
  }
  const at = six ? 54 : 14 + (view.getUint8(14) & 15) * 4;
  if (bytes.length < at + 4) return [...lines, `rest ${hex(at, bytes.length)}`];
  lines.push(`port src ${view.getUint16(at)}`, `port dst ${view.getUint16(at + 2)}`);
  return [...lines, `rest ${hex(at + 4, bytes.length)}`];
}

/** Undefined when equal; else the fields that differ, then both packets in hex. */
export function packetDifference(actual: Uint8Array, expected: Uint8Array): string | undefined {
  if (Buffer.compare(actual, expected) === 0) return undefined;
  const wanted = describePacket(expected);
  const lines = describePacket(actual).flatMap((line, i) =>
    line === wanted[i] ? [] : [`  got  ${line}`, `  want ${wanted[i]}`],
  );
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  return [...lines, `  got  ${hex(actual)}`, `  want ${hex(expected)}`].join('\n');
}
