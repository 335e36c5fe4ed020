import type { Family } from '../../domain/address.ts';
import type { Datagram, UdpReceiver } from '../../system/udp.ts';
import { admittingFilter, type Guests, LET_ALL_IN } from './admitting-filter.ts';
import { MARKS, portOf, type Wire } from './wire.ts';

/** Where packets of some sessions arrive. */
export interface ReceiverPlace {
  readonly family: Family;
  readonly multihop: boolean;
  readonly device: string | undefined;
  /** Of `device`, 0 without one: a device that was made anew needs a socket anew. */
  readonly ifindex: number;
}

/** A share in a socket. */
export interface ReceiverLease {
  /** Hands over what waits in the socket. */
  receivePending(): void;
  /** Idempotent. The last one closes the socket. */
  release(): void;
}

/** One receiving socket a port, family and device, open while somebody needs it. */
export interface Receivers {
  /** Throws what opening a socket throws; a taken port with words that say whose it may be. */
  lease(place: ReceiverPlace): ReceiverLease;
  /** From now on these are let through, in all sockets; of the rest a sample, to be counted. */
  admit(guests: Guests): void;
}

interface Shared {
  readonly receiver: UdpReceiver;
  readonly place: ReceiverPlace;
  users: number;
}

export function createReceivers(deps: {
  readonly wire: Wire;
  readonly onDatagram: (datagram: Datagram, multihop: boolean) => void;
  readonly onError: (error: NodeJS.ErrnoException) => void;
}): Receivers {
  const open = new Map<string, Shared>();
  let guests: Guests = { discriminators: [], remotes: [] };

  function begin(place: ReceiverPlace): Shared {
    const shared = { receiver: openReceiver(deps, place), place, users: 0 };
    letIn(shared, guests);
    return shared;
  }

  return {
    admit(now) {
      guests = now;
      for (const shared of open.values()) letIn(shared, guests);
    },
    lease(place) {
      const key = `${place.family}/${place.multihop}/${place.ifindex}`;
      const shared = open.get(key) ?? begin(place);
      open.set(key, shared);
      shared.users += 1;
      let held = true;
      return {
        receivePending: () => shared.receiver.receivePending(),
        release() {
          if (!held) return;
          held = false;
          shared.users -= 1;
          if (shared.users > 0) return;
          open.delete(key);
          shared.receiver.close();
        },
      };
    },
  };
}

/** A kernel with a small `net.core.optmem_max` has no room for many guests. */
function letIn({ receiver, place }: Shared, guests: Guests): void {
  try {
    receiver.filter(admittingFilter(place.family, guests));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOMEM') throw error;
    receiver.filter(LET_ALL_IN);
  }
}

function openReceiver(
  { wire, onDatagram, onError }: Parameters<typeof createReceivers>[0],
  { family, multihop, device }: ReceiverPlace,
): UdpReceiver {
  const port = portOf(multihop);
  const options = { ...MARKS, family, device, address: undefined, port, scope: 0 };
  try {
    return wire.openReceiver(options, (datagram) => onDatagram(datagram, multihop), onError);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE') throw error;
    const message = `UDP port ${port} is taken; stop the other BFD program on this box`;
    throw Object.assign(new Error(message, { cause: error }), { code });
  }
}
