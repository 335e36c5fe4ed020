import { type Address, type Family, familyOf } from '../domain/address.ts';
import type { Mac } from '../domain/mac.ts';
import { ByteWriter } from './bytes.ts';
import { internetChecksum, ipv6PseudoHeader } from './checksum.ts';
import { ETHERTYPE_IPV6, encodeEthernet } from './ethernet.ts';
import { transportChecksum } from './transport-checksum.ts';

/** A packet as somebody describes it in words; addresses of one family. */
export interface ProbeFields {
  readonly source: Address;
  readonly destination: Address;
  readonly protocol: 'TCP' | 'UDP' | 'ICMP';
  /** Both 0 for ICMP, which is an echo request. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Letters of `TCP_FLAGS`. */
  readonly tcpFlags: string;
  readonly ttl: number;
  /** Of the IP packet, in bytes; at least that of its headers. */
  readonly size: number;
  readonly sourceMac: Mac;
  readonly destinationMac: Mac;
}

/** As tcpdump has them, E for ECE and W for CWR; their bits in the header. */
export const TCP_FLAGS: Readonly<Record<string, number>> = {
  F: 0x01,
  S: 0x02,
  R: 0x04,
  P: 0x08,
  A: 0x10,
  U: 0x20,
  E: 0x40,
  W: 0x80,
};

const ETHERTYPE_IPV4 = 0x0800;
const IP_HEADER = { 4: 20, 6: 40 } as const;
const TRANSPORT_HEADER = { TCP: 20, UDP: 8, ICMP: 8 } as const;
const ECHO_REQUEST = { 4: 8, 6: 128 } as const;
const TCP_SEQUENCE = 1;
const TCP_WINDOW = 64_240;

/** Bytes of the smallest packet of that kind. */
export function probeSizeMin(family: Family, protocol: ProbeFields['protocol']): number {
  return IP_HEADER[family] + TRANSPORT_HEADER[protocol];
}

/** The frame, all checksums right; its payload is zeros, IPv4 says "don't fragment". */
export function probeFrame(fields: ProbeFields): Uint8Array {
  const { source, destination, protocol, size, ttl, sourceMac, destinationMac } = fields;
  const family = familyOf(destination);
  const length = size - IP_HEADER[family];
  const number = numberOf(protocol, family);
  const message = transportOf(fields, family, length);
  const packet = new ByteWriter(size);
  if (family === 6) {
    packet.u32(0x6000_0000).u16(length).u8(number).u8(ttl).address(source).address(destination);
  } else {
    const header = (check: number) =>
      new ByteWriter(IP_HEADER[4])
        .u16(0x4500)
        .u16(size)
        .u32(0x0000_4000)
        .u8(ttl)
        .u8(number)
        .u16(check)
        .address(source)
        .address(destination)
        .done();
    packet.bytes(header(internetChecksum(header(0))));
  }
  return encodeEthernet({
    destination: destinationMac,
    source: sourceMac,
    vlan: undefined,
    etherType: family === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4,
    payload: packet.bytes(message).done(),
  });
}

function numberOf(protocol: ProbeFields['protocol'], family: Family): number {
  if (protocol === 'TCP') return 6;
  if (protocol === 'UDP') return 17;
  return family === 6 ? 58 : 1;
}

function transportOf(fields: ProbeFields, family: Family, length: number): Uint8Array {
  const { source, destination, protocol } = fields;
  const write = (check: number) => {
    const header = headerOf(fields, family, length, check);
    return new ByteWriter(length)
      .bytes(header)
      .bytes(new Uint8Array(length - header.length))
      .done();
  };
  const blank = write(0);
  if (protocol !== 'ICMP') {
    const check = transportChecksum(source, destination, numberOf(protocol, family), blank);
    return write(check === 0 && protocol === 'UDP' ? 0xffff : check);
  }
  if (family === 4) return write(internetChecksum(blank));
  return write(internetChecksum(ipv6PseudoHeader(source, destination, length, 58), blank));
}

function headerOf(fields: ProbeFields, family: Family, length: number, check: number): Uint8Array {
  const { protocol, sourcePort, destinationPort, tcpFlags } = fields;
  const writer = new ByteWriter(TRANSPORT_HEADER[protocol]);
  if (protocol === 'ICMP') {
    return writer.u8(ECHO_REQUEST[family]).u8(0).u16(check).u16(1).u16(1).done();
  }
  writer.u16(sourcePort).u16(destinationPort);
  if (protocol === 'UDP') return writer.u16(length).u16(check).done();
  let flags = 0;
  for (const letter of tcpFlags) flags |= TCP_FLAGS[letter] ?? 0;
  const acknowledged = flags & (TCP_FLAGS['A'] as number) ? TCP_SEQUENCE : 0;
  return writer
    .u32(TCP_SEQUENCE)
    .u32(acknowledged)
    .u8(0x50)
    .u8(flags)
    .u16(TCP_WINDOW)
    .u16(check)
    .u16(0)
    .done();
}
