import { ByteReader, ByteWriter } from '../../bytes.ts';
import type {
  Capability,
  ExtendedNextHopEntry,
  GracefulRestartCapability,
  OpenMessage,
} from '../message.ts';

/** Capability codes (IANA) of what is spoken here. */
export const CAPABILITY = {
  multiprotocol: 1,
  routeRefresh: 2,
  extendedNextHop: 5,
  extendedMessage: 6,
  gracefulRestart: 64,
  fourOctetAs: 65,
  enhancedRouteRefresh: 70,
} as const;

const EXTENDED_NEXT_HOP_SIZE = 6;
const RESTART_FAMILY_SIZE = 4;
const FLAG_RESTARTING = 0x8000;
const FLAG_NOTIFICATION = 0x4000;
const RESTART_TIME_MASK = 0x0fff;
const FLAG_FORWARDING = 0x80;

/** Value → what it says; `undefined` for a length that the RFC of the code does not allow. */
type ReadValue = (value: ByteReader) => Capability | undefined;

const READERS: ReadonlyMap<number, ReadValue> = new Map<number, ReadValue>([
  [CAPABILITY.multiprotocol, readMultiprotocol],
  [CAPABILITY.routeRefresh, (value) => whenEmpty(value, { kind: 'routeRefresh' })],
  [CAPABILITY.extendedNextHop, readExtendedNextHop],
  [CAPABILITY.extendedMessage, (value) => whenEmpty(value, { kind: 'extendedMessage' })],
  [CAPABILITY.gracefulRestart, readGracefulRestart],
  [CAPABILITY.fourOctetAs, readFourOctetAs],
  [CAPABILITY.enhancedRouteRefresh, (value) => whenEmpty(value, { kind: 'enhancedRouteRefresh' })],
]);

/**
 * Reads a Capabilities parameter (RFC 5492 §4): code, length and value, one after the other.
 * `undefined`: one reaches beyond the end.
 */
export function decodeCapabilities(bytes: Uint8Array): Capability[] | undefined {
  const capabilities: Capability[] = [];
  const reader = new ByteReader(bytes);
  while (reader.remaining > 0) {
    if (reader.remaining < 2) return undefined;
    const code = reader.u8();
    const length = reader.u8();
    if (length > reader.remaining) return undefined;
    const value = reader.take(length);
    const known = READERS.get(code)?.(new ByteReader(value));
    capabilities.push(known ?? { kind: 'unknown', code, bytes: value.slice() });
  }
  return capabilities;
}

/** Code, length and value. Throws `RangeError` when a value is longer than the 255 octets it may have. */
export function encodeCapability(capability: Capability): Uint8Array {
  const { code, value } = partsOf(capability);
  if (value.length > 0xff)
    throw new RangeError(`Capability ${code} has ${value.length} octets, and 255 are the most`);
  return new ByteWriter(2 + value.length).u8(code).u8(value.length).bytes(value).done();
}

/** The AS number that the capability of RFC 6793 states, and `undefined` without one. */
export function fourOctetAsOf(capabilities: OpenMessage['capabilities']): number | undefined {
  return capabilities.find((capability) => capability.kind === 'fourOctetAs')?.asn;
}

function partsOf(capability: Capability): { code: number; value: Uint8Array } {
  if (capability.kind === 'unknown') return { code: capability.code, value: capability.bytes };
  return { code: CAPABILITY[capability.kind], value: knownValue(capability) };
}

function knownValue(capability: Exclude<Capability, { kind: 'unknown' }>): Uint8Array {
  switch (capability.kind) {
    case 'multiprotocol':
      return new ByteWriter(4).u16(capability.afi).u8(0).u8(capability.safi).done();
    case 'extendedNextHop':
      return writeExtendedNextHop(capability.entries);
    case 'gracefulRestart':
      return writeGracefulRestart(capability);
    case 'fourOctetAs':
      return new ByteWriter(4).u32(capability.asn).done();
    default:
      return new Uint8Array();
  }
}

function whenEmpty(value: ByteReader, capability: Capability): Capability | undefined {
  return value.remaining === 0 ? capability : undefined;
}

function readMultiprotocol(value: ByteReader): Capability | undefined {
  if (value.remaining !== 4) return undefined;
  const afi = value.u16();
  value.u8(); // Reserved.
  return { kind: 'multiprotocol', afi, safi: value.u8() };
}

function readFourOctetAs(value: ByteReader): Capability | undefined {
  return value.remaining === 4 ? { kind: 'fourOctetAs', asn: value.u32() } : undefined;
}

function readExtendedNextHop(value: ByteReader): Capability | undefined {
  if (value.remaining % EXTENDED_NEXT_HOP_SIZE !== 0) return undefined;
  const entries: ExtendedNextHopEntry[] = [];
  while (value.remaining > 0)
    entries.push({ afi: value.u16(), safi: value.u16(), nextHopAfi: value.u16() });
  return { kind: 'extendedNextHop', entries };
}

function writeExtendedNextHop(entries: readonly ExtendedNextHopEntry[]): Uint8Array {
  const writer = new ByteWriter(entries.length * EXTENDED_NEXT_HOP_SIZE);
  for (const { afi, safi, nextHopAfi } of entries) writer.u16(afi).u16(safi).u16(nextHopAfi);
  return writer.done();
}

function readGracefulRestart(value: ByteReader): Capability | undefined {
  if (value.remaining % RESTART_FAMILY_SIZE !== 2) return undefined;
  const head = value.u16();
  const families: { afi: number; safi: number; forwarding: boolean }[] = [];
  while (value.remaining > 0) {
    const afi = value.u16();
    const safi = value.u8();
    families.push({ afi, safi, forwarding: (value.u8() & FLAG_FORWARDING) !== 0 });
  }
  return {
    kind: 'gracefulRestart',
    restarting: (head & FLAG_RESTARTING) !== 0,
    notification: (head & FLAG_NOTIFICATION) !== 0,
    restartTimeSec: head & RESTART_TIME_MASK,
    families,
  };
}

function writeGracefulRestart(capability: GracefulRestartCapability): Uint8Array {
  const { restarting, notification, restartTimeSec, families } = capability;
  const flags = (restarting ? FLAG_RESTARTING : 0) | (notification ? FLAG_NOTIFICATION : 0);
  const writer = new ByteWriter(2 + families.length * RESTART_FAMILY_SIZE);
  writer.u16(flags | Math.min(restartTimeSec, RESTART_TIME_MASK));
  for (const { afi, safi, forwarding } of families)
    writer
      .u16(afi)
      .u8(safi)
      .u8(forwarding ? FLAG_FORWARDING : 0);
  return writer.done();
}
