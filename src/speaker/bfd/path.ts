import { familyOf, isLinkLocal } from '../../domain/address.ts';
import type { UdpSender } from '../../system/udp.ts';
import type { PathOrder } from './order.ts';
import type { Receivers } from './receivers.ts';
import { MARKS, portOf, type Wire } from './wire.ts';

/** The sockets of one session. */
export interface Path {
  /** The session's own, the same in all its packets (RFC 5881 §4). */
  readonly sourcePort: number;
  /** Of the session's interface, 0 when it has none. */
  readonly ifindex: number;
  /** Throws what the kernel says: `ENODEV`, `ENETUNREACH`, `ENOBUFS`, … */
  send(bytes: Uint8Array): void;
  receivePending(): void;
  /** Idempotent. */
  close(): void;
}

export interface PathDeps {
  readonly wire: Wire;
  readonly receivers: Receivers;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Source ports (RFC 5881 §4). */
const PORT_MIN = 49_152;
const PORTS = 65_536 - PORT_MIN;
/** Ports tried before giving up, each at random. */
const PORT_TRIES_MAX = 64;

/**
 * Opens them; throws with a message for people when that cannot be now. Prefers `sourcePort`, which the
 * session had before.
 */
export function openPath(
  order: PathOrder,
  { wire, receivers, random }: PathDeps,
  sourcePort: number | undefined,
): Path {
  const { remote, interface: device } = order;
  const ifindex = device === undefined ? 0 : wire.interfaceIndex(device);
  if (ifindex === undefined) {
    throw Object.assign(new Error(`No interface is named "${device}"`), { code: 'ENODEV' });
  }
  const family = familyOf(remote);
  const lease = receivers.lease({ family, multihop: order.multihop, device, ifindex });
  try {
    const [sender, port] = openSender(order, ifindex, wire, random, sourcePort);
    const scope = isLinkLocal(remote) ? ifindex : 0;
    return {
      sourcePort: port,
      ifindex,
      send: (bytes) => sender.send(bytes, remote, portOf(order.multihop), scope),
      receivePending: lease.receivePending,
      close() {
        lease.release();
        sender.close();
      },
    };
  } catch (error) {
    lease.release();
    throw error;
  }
}

function openSender(
  { remote, local, interface: device }: PathOrder,
  ifindex: number,
  wire: Wire,
  random: () => number,
  preferred: number | undefined,
): [UdpSender, number] {
  const scope = local !== undefined && isLinkLocal(local) ? ifindex : 0;
  const options = { ...MARKS, family: familyOf(remote), device, address: local, scope };
  for (let tries = 1; ; tries++) {
    const first = tries === 1 ? preferred : undefined;
    const port = first ?? PORT_MIN + Math.floor(random() * PORTS);
    try {
      return [wire.openSender({ ...options, port }), port];
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EADDRINUSE' || tries === PORT_TRIES_MAX) throw error;
    }
  }
}
