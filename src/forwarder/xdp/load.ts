import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { type BpfObject, dataplaneAbi, loadBpf } from '../../system/bpf.ts';
import type { ForwarderSettings } from '../settings.ts';
import { type DataplaneLayout, dataplaneLayout } from './abi.ts';
import { bpfMap } from './bpf-map.ts';
import type { ConfigEntry } from './config-entry.ts';
import { type SharedArray, sharedArray } from './shared-array.ts';

const OBJECT_PATH = fileURLToPath(new URL('../../../native/build/tidegate.bpf.o', import.meta.url));

export interface LoadedProgram {
  readonly object: BpfObject;
  readonly layout: DataplaneLayout;
  /** The program's settings, as its first and only element. */
  readonly config: SharedArray<ConfigEntry>;
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
    cursors: limits.servers + 1,
    backends: limits.backends + 1,
    backend_stats: limits.backends + 1,
    backend_flows: limits.backends + 1,
    affinity: limits.affinity,
    affinity_backends: limits.backends + 1,
    acl: limits.sourceRanges,
    fragments: limits.fragments,
    flows: limits.flows,
    flow_hints: limits.flows / layout.constant('TG_FLOW_WAYS'),
    offsets: limits.flows,
    vip_limits: limits.servers + 1,
    reverse: limits.flows * 2,
  });
  const config = sharedArray(bpfMap(object, 'config'), layout.config);
  const before = config.get(0);
  config.set(0, configOf(settings, layout, before));
  return { object, layout, config, found: before.abiVersion !== 0 };
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

function configOf(
  settings: ForwarderSettings,
  layout: DataplaneLayout,
  before: ConfigEntry,
): ConfigEntry {
  const { limits, natPorts, timeouts, flood } = settings;
  const fresh = before.abiVersion === 0;
  const reject = layout.constant('TG_CONFIG_REJECT_UNSERVED');
  const reset = layout.constant('TG_CONFIG_RESET_UNKNOWN');
  return {
    abiVersion: layout.version,
    flowMask: limits.flows - 1,
    reverseMask: limits.flows * 2 - 1,
    natPortFirst: natPorts.first,
    natPortLast: natPorts.last,
    // Flows stand where the seed put them, and clients answer to cookies of that key.
    hashSeed: fresh ? randomBytes(8).readBigUInt64LE() : before.hashSeed,
    cookieKey: fresh ? BigInt(`0x${randomBytes(16).toString('hex')}`) : before.cookieKey,
    natFilter: before.natFilter,
    // Flows keep the ports that they were given by earlier settings.
    answerPortFirst: fresh ? natPorts.first : Math.min(natPorts.first, before.answerPortFirst),
    answerPortLast: Math.max(natPorts.last, before.answerPortLast),
    tcpHalfOpenSec: timeouts.tcpHalfOpen,
    tcpEstablishedSec: timeouts.tcpEstablished,
    tcpClosingSec: timeouts.tcpClosing,
    tcpTimeWaitSec: timeouts.tcpTimeWait,
    udpSec: timeouts.udp,
    udpStreamSec: timeouts.udpStream,
    flags:
      (settings.unservedPorts === 'reject' ? reject : 0) |
      (settings.unknownFlows === 'reset' ? reset : 0),
    newFlowsPerSec: flood.newFlows,
    repliesPerSec: flood.repliesPerSecond,
    mtuMin: before.mtuMin,
    // Who captured may have been killed.
    capture: 0,
    clientPrefix4: flood.clientPrefix4,
    clientPrefix6: flood.clientPrefix6,
    natLimit: before.natLimit,
  };
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}
