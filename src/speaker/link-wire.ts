import type { GroupSocket, PacketMessage, PacketOptions, PacketSocket } from '../system/sockets.ts';

/** How one gets at the frames of an interface, and into its groups. */
export interface LinkWire {
  openPacketSocket(
    options: PacketOptions,
    onMessage: (message: PacketMessage) => void,
    onError: (error: NodeJS.ErrnoException) => void,
  ): PacketSocket;
  openGroupSocket(ifindex: number): GroupSocket;
}
