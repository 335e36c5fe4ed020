import { type Address, isLinkLocal } from '../../../domain/address.ts';
import type { InterfaceAddress } from '../../../protocol/rtnetlink/interface-address.ts';
import type { Link } from '../../../protocol/rtnetlink/link.ts';
import type { NetworkEvent, Rtnetlink } from '../../../system/rtnetlink.ts';
import {
  type LookoutOptions,
  openRouterLookout,
  type Sighting,
  type Station,
} from './router-lookout.ts';

export interface DiscoveryDeps extends Omit<LookoutOptions, 'station' | 'onSighting'> {
  readonly openRtnetlink: (onEvent: (event: NetworkEvent) => void) => Rtnetlink;
}

/** Told whenever it changed, never from within the call; `undefined`: nobody, as `obstacle` says. */
export type OnNeighbour = (router: Address | undefined, obstacle: string) => void;

/** What the kernel refused is tried again after this. */
const RETRY_MS = 10_000;

/**
 * Looks for the router at the other end of an interface, which may come, go, and get another address,
 * until closed. Nothing is told afterwards.
 */
export function discoverNeighbour(
  deps: DiscoveryDeps,
  name: string,
  onNeighbour: OnNeighbour,
): { close(): void } {
  let kernel: Rtnetlink | undefined;
  let lookout: { close(): void } | undefined;
  let station: Station | undefined;
  let told: Sighting = { router: undefined, obstacle: '' };
  let isListing = false;
  let isOutdated = false;
  let isClosed = false;
  let cancelRetry = () => {};

  function tell(sighting: Sighting) {
    if (isClosed || (sighting.router === told.router && sighting.obstacle === told.obstacle))
      return;
    told = sighting;
    onNeighbour(sighting.router, sighting.obstacle);
  }

  function concerns(event: NetworkEvent): boolean {
    if (event.kind === 'link')
      return event.link.name === name || event.link.ifindex === station?.ifindex;
    // Of an interface that was not ready, addresses are what it waits for.
    if (event.kind === 'address') return !station || event.address.ifindex === station.ifindex;
    return event.kind === 'lost';
  }

  async function list(): Promise<void> {
    if (isListing) {
      isOutdated = true;
      return;
    }
    isListing = true;
    try {
      do {
        isOutdated = false;
        kernel ??= deps.openRtnetlink((event) => void (concerns(event) && list()));
        const [links, addresses] = await Promise.all([kernel.links(), kernel.addresses()]);
        if (!isClosed) follow(stationOf(name, links, addresses));
      } while (isOutdated && !isClosed);
    } catch (error) {
      if (!isClosed) tryAgain(error as Error);
    } finally {
      isListing = false;
    }
  }

  function follow(found: Station | string) {
    if (typeof found === 'string') {
      leave();
      tell({ router: undefined, obstacle: found });
    } else if (!station || !isSame(station, found)) {
      leave();
      lookout = openRouterLookout({ ...deps, station: found, onSighting: tell });
      station = found;
      tell({ router: undefined, obstacle: `No router advertises itself on "${name}"` });
    }
  }

  function leave() {
    lookout?.close();
    lookout = undefined;
    station = undefined;
  }

  function tryAgain({ message }: Error) {
    tell({ router: undefined, obstacle: `Cannot look for a router on "${name}": ${message}` });
    cancelRetry();
    cancelRetry = deps.clock.after(RETRY_MS, () => void list());
  }

  // Not within this call: a kernel that refuses at once is told later, like everything else.
  queueMicrotask(() => void (isClosed || list()));
  return {
    close() {
      isClosed = true;
      cancelRetry();
      leave();
      kernel?.close();
    },
  };
}

/** The interface, or why it cannot be used, in words. */
function stationOf(
  name: string,
  links: readonly Link[],
  addresses: readonly InterfaceAddress[],
): Station | string {
  const link = links.find((each) => each.name === name);
  if (!link) return `There is no interface "${name}" on this box`;
  const { ifindex, mac } = link;
  if (mac === undefined) return `Interface "${name}" is not Ethernet: no router can be found on it`;
  if (!link.isUp) return `Interface "${name}" is down`;
  if (!link.isRunning) return `Interface "${name}" has no link`;
  const own = addresses.find(
    (each) => each.ifindex === ifindex && each.isUsable && isLinkLocal(each.address),
  );
  if (!own) return `Interface "${name}" has no IPv6 link-local address that can be used`;
  return { name, ifindex, mac, linkLocal: own.address };
}

function isSame(a: Station, b: Station): boolean {
  return a.ifindex === b.ifindex && a.mac === b.mac && a.linkLocal === b.linkLocal;
}
