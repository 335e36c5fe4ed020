import { type Address, familyOf } from '../../domain/address.ts';
import { multicastMac, solicitedNodeGroup } from '../../protocol/ndp.ts';
import type { GroupSocket, PacketSocket } from '../../system/sockets.ts';

/**
 * Membership of the solicited-node groups of IPv6 VIPs on one interface: of the Ethernet group, so
 * that the network card passes the frames, and of the IPv6 group, so that the kernel sends MLD reports
 * without which snooping switches cut us off. Addresses that end alike share a group.
 */
export interface SolicitedGroups {
  /** Idempotent. Throws when the kernel refuses; a later try mends it. IPv4 addresses need nothing. */
  join(address: Address): void;
  leave(address: Address): void;
  close(): void;
}

/** The kernel charges memberships to their socket (`net.core.optmem_max`, 20 KiB before Linux 6.9). */
export const GROUPS_PER_SOCKET = 128;

interface Group {
  readonly members: Set<Address>;
  readonly holder: Holder;
}

interface Holder {
  readonly socket: GroupSocket;
  groups: number;
}

export function createSolicitedGroups(
  frames: PacketSocket,
  openGroupSocket: () => GroupSocket,
): SolicitedGroups {
  const groups = new Map<Address, Group>();
  const holders: Holder[] = [];

  function enter(group: Address): Group {
    const holder = holders.find((each) => each.groups < GROUPS_PER_SOCKET) ?? addHolder();
    holder.socket.join(group);
    try {
      frames.joinMulticast(multicastMac(group));
    } catch (error) {
      holder.socket.leave(group);
      throw error;
    }
    holder.groups += 1;
    return { members: new Set(), holder };
  }

  function addHolder(): Holder {
    const holder = { socket: openGroupSocket(), groups: 0 };
    holders.push(holder);
    return holder;
  }

  return {
    join(address) {
      if (familyOf(address) === 4) return;
      const key = solicitedNodeGroup(address);
      const group = groups.get(key) ?? enter(key);
      groups.set(key, group);
      group.members.add(address);
    },
    leave(address) {
      if (familyOf(address) === 4) return;
      const key = solicitedNodeGroup(address);
      const group = groups.get(key);
      if (!group?.members.delete(address) || group.members.size > 0) return;
      groups.delete(key);
      group.holder.groups -= 1;
      group.holder.socket.leave(key);
      frames.leaveMulticast(multicastMac(key));
    },
    close() {
      for (const { socket } of holders) socket.close();
      groups.clear();
    },
  };
}
