import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { type BpfObject, dataplaneAbi, loadBpf } from '../../system/bpf.ts';
import type { ForwarderSettings } from '../settings.ts';
import { type ConfigEntry, type DataplaneLayout, dataplaneLayout, decode, encode } from './abi.ts';
import { bpfMap } from './dataplane.ts';
import { indexKey } from './statistics.ts';

const OBJECT_PATH = fileURLToPath(new URL('../../../native/build/tidegate.bpf.o', import.meta.url));

export interface LoadedProgram {
  readonly object: BpfObject;
  readonly layout: DataplaneLayout;
  /** The maps are an earlier process's, with what it left in them. */
  readonly found: boolean;
}

/**
 * Loads the XDP program with its pinned maps, those of an earlier process if there are any, and
 * writes the configuration. Throws with code `EABI` when pinned maps are of another size or
 * version.
 */
export function loadProgram(settings: ForwarderSettings): LoadedProgram {
  const { limits, bpfDir } = settings;
  const layout = dataplaneLayout(dataplaneAbi());
  if (limits.flows < layout.constant('TG_FLOW_WAYS') || !isPowerOfTwo(limits.flows)) {
    throw new RangeError(`forwarder.limits.flows is ${limits.flows} and must be a power of two`);
  }
  const object = loadPinned(bpfDir, {
    // A server takes an element of its own, its address another; index 0 is never used.
    vips: limits.servers * 2,
    servers: limits.servers + 1,
    server_stats: limits.servers + 1,
    backends: limits.backends + 1,
    backend_stats: limits.backends + 1,
    affinity: limits.affinity,
    flows: limits.flows,
    reverse: limits.flows * 2,
  });
  const map = bpfMap(object, 'config');
  const before = decode(layout.config, map.lookup(indexKey(0)) as Uint8Array);
  const config = configOf(settings, layout.version, before);
  map.update(indexKey(0), encode(layout.config, config));
  return { object, layout, found: before.abiVersion !== 0 };
}

function loadPinned(bpfDir: string, maxEntries: Readonly<Record<string, number>>): BpfObject {
  try {
    return loadBpf({ object: OBJECT_PATH, pinDir: bpfDir, maxEntries });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EABI') throw cause;
    const message =
      `The maps under "${bpfDir}" are of another size or version: ${(cause as Error).message}. ` +
      'Set forwarder.limits as they were, or run "tidegate detach", which ends all connections';
    throw Object.assign(new Error(message, { cause }), { code: 'EABI' });
  }
}

function configOf(settings: ForwarderSettings, version: number, before: ConfigEntry): ConfigEntry {
  const { limits, natPorts, timeouts } = settings;
  return {
    abiVersion: version,
    flowMask: limits.flows - 1,
    reverseMask: limits.flows * 2 - 1,
    natPortFirst: natPorts.first,
    natPortLast: natPorts.last,
    // Flows stand where the seed put them.
    hashSeed: before.abiVersion === 0 ? randomBytes(8).readBigUInt64LE() : before.hashSeed,
    tcpHalfOpenSec: timeouts.tcpHalfOpen,
    tcpEstablishedSec: timeouts.tcpEstablished,
    tcpClosingSec: timeouts.tcpClosing,
    udpSec: timeouts.udp,
    udpStreamSec: timeouts.udpStream,
  };
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}
