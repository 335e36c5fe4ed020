import type { Address } from '../../../domain/address.ts';
import type { BgpRemote } from '../../../domain/bgp/bgp-peer.ts';
import type { OnNeighbour } from './neighbour-discovery.ts';

/** Looks for the router at the other end of an interface, until closed. */
export type DiscoverNeighbour = (name: string, onNeighbour: OnNeighbour) => { close(): void };

/** Where a peer is: as written, or as found on an interface, where it may come and go. */
export interface PeerPlace {
  /** Forgets what was found; `undefined`: nobody is to be found any more. */
  look(remote: BgpRemote | undefined): void;
  /** Its last known address. */
  address(): Address | undefined;
  isPresent(): boolean;
  /** Why it is not present. */
  obstacle(): string;
}

/** `onMove` is called when it has been found (`moved`: elsewhere than before), or is gone; later than `look`. */
export function createPeerPlace(
  discover: DiscoverNeighbour,
  onMove: (moved: boolean) => void,
): PeerPlace {
  let discovery: { close(): void } | undefined;
  let address: Address | undefined;
  let present = false;
  let obstacle = '';

  return {
    look(remote) {
      discovery?.close();
      discovery = undefined;
      address = remote?.kind === 'address' ? remote.address : undefined;
      present = address !== undefined;
      obstacle = '';
      if (remote?.kind !== 'interface') return;
      obstacle = `No router has been found on "${remote.name}" yet`;
      discovery = discover(remote.name, (found, why) => {
        const moved = found !== undefined && found !== address;
        address = found ?? address;
        present = found !== undefined;
        obstacle = why;
        onMove(moved);
      });
    },
    address: () => address,
    isPresent: () => present,
    obstacle: () => obstacle,
  };
}
