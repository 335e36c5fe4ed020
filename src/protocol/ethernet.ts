import type { Mac } from '../domain/mac.ts';
import { ByteReader, ByteWriter, type Decoded } from './bytes.ts';

export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;
const ETHERTYPE_VLAN = 0x8100;

const HEADER_SIZE = 14;
const TAG_SIZE = 4;

/** An Ethernet II frame, with at most one 802.1Q tag. */
export interface EthernetFrame {
  readonly destination: Mac;
  readonly source: Mac;
  /** The tag control information of an 802.1Q tag, kept so that an answer goes the same way. */
  readonly vlan: number | undefined;
  /** Of what stands in `payload`. */
  readonly etherType: number;
  /** Padding included; after decoding a view of the frame. */
  readonly payload: Uint8Array;
}

export type EthernetDrop = 'shortFrame';

export function decodeEthernet(frame: Uint8Array): Decoded<EthernetFrame, EthernetDrop> {
  const reader = new ByteReader(frame);
  if (reader.remaining < HEADER_SIZE) return { drop: 'shortFrame' };
  const destination = reader.mac();
  const source = reader.mac();
  let etherType = reader.u16();
  let vlan: number | undefined;
  if (etherType === ETHERTYPE_VLAN) {
    if (reader.remaining < TAG_SIZE) return { drop: 'shortFrame' };
    vlan = reader.u16();
    etherType = reader.u16();
  }
  const payload = reader.take(reader.remaining);
  return { value: { destination, source, vlan, etherType, payload } };
}

/** Without padding to 60 bytes, which the driver adds where the wire needs it. */
export function encodeEthernet(frame: EthernetFrame): Uint8Array {
  const { destination, source, vlan, etherType, payload } = frame;
  const tag = vlan === undefined ? 0 : TAG_SIZE;
  const writer = new ByteWriter(HEADER_SIZE + tag + payload.length).mac(destination).mac(source);
  if (vlan !== undefined) writer.u16(ETHERTYPE_VLAN).u16(vlan);
  return writer.u16(etherType).bytes(payload).done();
}
