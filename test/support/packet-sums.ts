/**
 * What must not change when a packet is forwarded, computed in full and without a look at how the
 * program does it.
 */

export interface PacketSums {
  /** How many VLAN tags stand before the IP header. */
  readonly tags: number;
  readonly ttl: number;
  /** Bytes of the IP packet. */
  readonly size: number;
  /** One's complement sum over the IPv4 header: 0 when its checksum is right. */
  readonly header: number;
  /**
   * The same over addresses, protocol and everything behind the IP header and extension headers: a
   * right checksum stays right, a wrong one stays wrong by as much. Undefined for later fragments
   * and UDP without checksum.
   */
  readonly transport: number | undefined;
  /** What is behind the transport's ports and checksum, and behind the IP packet. */
  readonly rest: string;
}

const TAGS = new Set([0x8100, 0x88a8]);
const EXTENSIONS = new Set([0, 43, 44, 60]);
const IPV4 = 0x0800;
const UDP = 17;
const CHECKSUM_AT: Readonly<Record<number, number>> = { 1: 2, 6: 16, 17: 6, 58: 2 };

/** Undefined when it is no IP packet that can be read so far. */
export function packetSums(frame: Uint8Array): PacketSums | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  let at = 12;
  while (TAGS.has(view.getUint16(at))) at += 4;
  const tags = (at - 12) / 4;
  const ip = at + 2;
  return view.getUint16(at) === IPV4
    ? sumsIpv4(frame, view, ip, tags)
    : sumsIpv6(frame, view, ip, tags);
}

function sumsIpv4(frame: Uint8Array, view: DataView, ip: number, tags: number): PacketSums {
  const transport = ip + (view.getUint8(ip) & 15) * 4;
  const size = view.getUint16(ip + 2);
  const later = (view.getUint16(ip + 6) & 0x1fff) !== 0;
  const protocol = view.getUint8(ip + 9);
  const addresses = frame.subarray(ip + 12, ip + 20);
  return {
    tags,
    ttl: view.getUint8(ip + 8),
    size,
    header: sum(frame.subarray(ip, transport)) % 0xffff,
    ...behind(frame, view, { transport, end: ip + size, protocol, addresses, later }),
  };
}

function sumsIpv6(frame: Uint8Array, view: DataView, ip: number, tags: number): PacketSums {
  const size = 40 + view.getUint16(ip + 4);
  const addresses = frame.subarray(ip + 8, ip + 40);
  let protocol = view.getUint8(ip + 6);
  let transport = ip + 40;
  let later = false;
  while (EXTENSIONS.has(protocol) && !later) {
    if (protocol === 44) later = (view.getUint16(transport + 2) & ~7) !== 0;
    const length = protocol === 44 ? 8 : 8 + view.getUint8(transport + 1) * 8;
    protocol = view.getUint8(transport);
    transport += length;
  }
  const ttl = view.getUint8(ip + 7);
  const parts = behind(frame, view, { transport, end: ip + size, protocol, addresses, later });
  return { tags, ttl, size, header: 0, ...parts };
}

interface Place {
  readonly transport: number;
  readonly end: number;
  readonly protocol: number;
  readonly addresses: Uint8Array;
  readonly later: boolean;
}

function behind(
  frame: Uint8Array,
  view: DataView,
  { transport, end, protocol, addresses, later }: Place,
): Pick<PacketSums, 'transport' | 'rest'> {
  const hex = (from: number, to?: number) => Buffer.from(frame.subarray(from, to)).toString('hex');
  const checksumAt = transport + (CHECKSUM_AT[protocol] ?? 0);
  if (later) return { transport: undefined, rest: hex(transport) };
  const rest = `${hex(transport + 4, checksumAt)} ${hex(checksumAt + 2)}`;
  if (protocol === UDP && view.getUint16(checksumAt) === 0) return { transport: undefined, rest };
  const pseudo = protocol === 1 ? 0 : sum(addresses) + protocol;
  return { transport: (pseudo + sum(frame.subarray(transport, end))) % 0xffff, rest };
}

function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  return total;
}
