import type { BfdState } from '../../domain/bgp/bfd-session.ts';
import { ByteReader, ByteWriter, type Decoded } from '../bytes.ts';
import type { CodecDrop } from './drop-reason.ts';

/** A BFD Control packet (RFC 5880 §4.1). Intervals are in microseconds, as on the wire. */
export interface ControlPacket {
  readonly diagnostic: number;
  readonly state: BfdState;
  readonly poll: boolean;
  readonly final: boolean;
  readonly controlPlaneIndependent: boolean;
  readonly demand: boolean;
  readonly detectMultiplier: number;
  readonly myDiscriminator: number;
  readonly yourDiscriminator: number;
  readonly desiredMinTxUs: number;
  readonly requiredMinRxUs: number;
  readonly requiredMinEchoRxUs: number;
}

/** The section that follows when the A bit is set (§4.4). */
export interface AuthenticationSection {
  /** Known here: 4 and 5. */
  readonly type: number;
  /** The section's length in bytes, its two first included. */
  readonly length: number;
}

/** A packet and where in the datagram it stood: what comes after `bytes` is not of it. */
export interface ReceivedPacket {
  readonly packet: ControlPacket;
  readonly section: AuthenticationSection | undefined;
  /** The packet's own bytes, a view. */
  readonly bytes: Uint8Array;
}

/** Length of the packet without an authentication section. */
export const CONTROL_PACKET_SIZE = 24;

const VERSION = 1;
/** Of type and length. */
const SECTION_HEADER_SIZE = 2;

const STATES: readonly BfdState[] = ['AdminDown', 'Down', 'Init', 'Up'];

const POLL = 0x20;
const FINAL = 0x10;
const CONTROL_PLANE_INDEPENDENT = 0x08;
const AUTHENTICATED = 0x04;
const DEMAND = 0x02;
const MULTIPOINT = 0x01;

/** The packet, with room for a section of `sectionSize` bytes (A bit set) when that is not 0. */
export function encodeControlPacket(packet: ControlPacket, sectionSize = 0): Uint8Array {
  const length = CONTROL_PACKET_SIZE + sectionSize;
  return new ByteWriter(length)
    .u8((VERSION << 5) | packet.diagnostic)
    .u8((STATES.indexOf(packet.state) << 6) | flagsOf(packet, sectionSize > 0))
    .u8(packet.detectMultiplier)
    .u8(length)
    .u32(packet.myDiscriminator)
    .u32(packet.yourDiscriminator)
    .u32(packet.desiredMinTxUs)
    .u32(packet.requiredMinRxUs)
    .u32(packet.requiredMinEchoRxUs)
    .bytes(new Uint8Array(sectionSize))
    .done();
}

/** Reads a datagram's payload by the rules of §6.8.6 that need no session. Copies nothing. */
export function decodeControlPacket(payload: Uint8Array): Decoded<ReceivedPacket, CodecDrop> {
  if (payload.length < CONTROL_PACKET_SIZE) return { drop: 'tooShort' };
  const reader = new ByteReader(payload);
  const first = reader.u8();
  const second = reader.u8();
  const detectMultiplier = reader.u8();
  const length = reader.u8();
  const authenticated = (second & AUTHENTICATED) !== 0;
  const packet: ControlPacket = {
    diagnostic: first & 0x1f,
    state: STATES[second >> 6] as BfdState,
    poll: (second & POLL) !== 0,
    final: (second & FINAL) !== 0,
    controlPlaneIndependent: (second & CONTROL_PLANE_INDEPENDENT) !== 0,
    demand: (second & DEMAND) !== 0,
    detectMultiplier,
    myDiscriminator: reader.u32(),
    yourDiscriminator: reader.u32(),
    desiredMinTxUs: reader.u32(),
    requiredMinRxUs: reader.u32(),
    requiredMinEchoRxUs: reader.u32(),
  };
  if (first >> 5 !== VERSION) return { drop: 'wrongVersion' };
  const least = CONTROL_PACKET_SIZE + (authenticated ? SECTION_HEADER_SIZE : 0);
  if (length < least || length > payload.length) return { drop: 'wrongLength' };
  if (detectMultiplier === 0) return { drop: 'zeroMultiplier' };
  if ((second & MULTIPOINT) !== 0) return { drop: 'multipoint' };
  if (packet.myDiscriminator === 0) return { drop: 'zeroDiscriminator' };
  if (packet.yourDiscriminator === 0 && hasDiscriminator(packet.state)) {
    return { drop: 'missingDiscriminator' };
  }
  const bytes = payload.subarray(0, length);
  if (!authenticated) return { value: { packet, section: undefined, bytes } };
  const section = { type: reader.u8(), length: reader.u8() };
  if (section.length < SECTION_HEADER_SIZE || CONTROL_PACKET_SIZE + section.length > length) {
    return { drop: 'wrongSection' };
  }
  return { value: { packet, section, bytes } };
}

function flagsOf(packet: ControlPacket, authenticated: boolean): number {
  return (
    (packet.poll ? POLL : 0) |
    (packet.final ? FINAL : 0) |
    (packet.controlPlaneIndependent ? CONTROL_PLANE_INDEPENDENT : 0) |
    (authenticated ? AUTHENTICATED : 0) |
    (packet.demand ? DEMAND : 0)
  );
}

function hasDiscriminator(state: BfdState): boolean {
  return state === 'Init' || state === 'Up';
}
