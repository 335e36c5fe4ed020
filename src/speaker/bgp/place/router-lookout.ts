import { type Address, formatAddress } from '../../../domain/address.ts';
import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import type { Mac } from '../../../domain/mac.ts';
import { decodeEthernet, ETHERTYPE_IPV6, encodeEthernet } from '../../../protocol/ethernet.ts';
import { ALL_NODES, multicastMac } from '../../../protocol/ndp.ts';
import {
  ALL_ROUTERS,
  decodeRouterMessage,
  encodeRouterMessage,
  type RouterMessage,
} from '../../../protocol/router-discovery.ts';
import type { GroupSocket, PacketMessage, PacketSocket } from '../../../system/sockets.ts';
import type { LinkWire } from '../../link-wire.ts';
import { ROUTER_FILTER } from './router-filter.ts';
import { createRouterTable } from './router-table.ts';

/** An interface that is ready to look for routers on. */
export interface Station {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: Mac;
  readonly linkLocal: Address;
}

/** Who is at the other end; `undefined` for a reason. */
export interface Sighting {
  readonly router: Address | undefined;
  readonly obstacle: string;
}

export interface LookoutOptions {
  readonly station: Station;
  readonly wire: LinkWire;
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Called when it changed, never from within `openRouterLookout`. */
  onSighting(sighting: Sighting): void;
}

/** Between two advertisements, ms: the default of FRR, less up to a quarter. */
export const ADVERTISE_INTERVAL_MS = 10_000;
/** RFC 4861 §10: MIN_DELAY_BETWEEN_RAS, which the first ones come after, too. */
export const LEAST_INTERVAL_MS = 3_000;
const FIRST_ADVERTISEMENTS = 3;
/** RFC 4861 §10: MAX_RA_DELAY_TIME. */
const ANSWER_DELAY_MS = 500;
/** RFC 4861 §10: RTR_SOLICITATION_INTERVAL and MAX_RTR_SOLICITATIONS. */
export const SOLICIT_INTERVAL_MS = 4_000;
export const SOLICITATIONS = 3;
/** A router that says nothing for so long is asked; three advertisements of FRR's are missing then. */
export const SILENCE_MS = 35_000;
/** At most one line of log about failed sends and receives in this time. */
const ERROR_LOG_INTERVAL_MS = 60_000;

/**
 * Looks for the router at the other end of a link (RFC 4861 §6), as unnumbered sessions need it, and
 * lets itself be found: routers such as FRR know their neighbour by its advertisements alone. Ours have
 * lifetime 0 and no prefix: no host takes this box for its router, or an address from it.
 *
 * A router that is silent is asked, and forgotten when it does not answer; when another one turns
 * up, both are. Throws with `code` when the kernel refuses the sockets.
 */
export function openRouterLookout(options: LookoutOptions): { close(): void } {
  const { station, clock } = options;
  const table = createRouterTable();
  let told: Sighting = { router: undefined, obstacle: '' };
  let isAsking = false;
  let cancelAsking = () => {};
  const onFailure = errorLog(options);
  const { frames, groups } = openSockets(options, heed, onError);
  const beacon = startBeacon(options, () => send(advertisementOf(station)));

  function heed({ bytes, vlan }: PacketMessage) {
    const ethernet = decodeEthernet(bytes);
    // A frame with a tag belongs to a VLAN that has no interface here.
    if (ethernet.drop || (vlan !== undefined && (vlan & 0xfff) !== 0)) return;
    if (ethernet.value.source === station.mac) return;
    const { value } = decodeRouterMessage(ethernet.value.payload);
    if (value?.kind === 'solicitation') return beacon.answer();
    if (value) hear(value.source);
  }

  function hear(router: Address) {
    const isNew = !table.routers().includes(router);
    if (!table.hear(router, clock.monotonicMs()) || !isNew) return;
    // It has just come, and may not know of this box either.
    beacon.answer();
    if (table.routers().length > 1 && !isAsking) ask();
    else tell();
  }

  /** Asks everybody to speak, and forgets who does not. */
  function ask() {
    cancelAsking();
    isAsking = true;
    const sinceMs = clock.monotonicMs();
    let left = SOLICITATIONS;
    const next = () => {
      if (left > 0) {
        left -= 1;
        send(solicitationOf(station));
        cancelAsking = clock.after(SOLICIT_INTERVAL_MS, next);
        return;
      }
      isAsking = false;
      table.forgetBefore(sinceMs);
      tell();
      listen();
    };
    next();
  }

  function listen() {
    cancelAsking = clock.after(SILENCE_MS, () => {
      if (table.isSilentSince(clock.monotonicMs() - SILENCE_MS)) ask();
      else listen();
    });
  }

  function tell() {
    const routers = table.routers();
    // One of them may have taken the place of the other: the answers will show.
    if (isAsking && told.router !== undefined && routers.includes(told.router)) return;
    const now = sightingOf(station.name, routers);
    if (now.router === told.router && now.obstacle === told.obstacle) return;
    told = now;
    options.onSighting(now);
  }

  function send(frame: Uint8Array) {
    try {
      frames.send(frame);
    } catch (error) {
      onError(error as NodeJS.ErrnoException);
    }
  }

  function onError(error: NodeJS.ErrnoException) {
    // The interface went down or away: rtnetlink says so, too, and the lookout is closed then.
    if (error.code !== 'ENETDOWN' && error.code !== 'ENXIO' && error.code !== 'ENODEV')
      onFailure(error);
  }

  ask();
  return {
    close() {
      cancelAsking();
      beacon.close();
      frames.close();
      groups.close();
    },
  };
}

function openSockets(
  { station: { ifindex }, wire }: LookoutOptions,
  onMessage: (message: PacketMessage) => void,
  onError: (error: NodeJS.ErrnoException) => void,
): { readonly frames: PacketSocket; readonly groups: GroupSocket } {
  const groups = wire.openGroupSocket(ifindex);
  try {
    // Solicitations go there; the kernel is in it only where it forwards.
    groups.join(ALL_ROUTERS);
    const filter = ROUTER_FILTER;
    const socket = { family: 'packet', ifindex, etherType: ETHERTYPE_IPV6, filter } as const;
    return { frames: wire.openPacketSocket(socket, onMessage, onError), groups };
  } catch (error) {
    groups.close();
    throw error;
  }
}

/** Advertises at once, again and again, and a moment after somebody wants to know. */
function startBeacon({ clock, random }: LookoutOptions, advertise: () => void) {
  let count = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  let nextMs = Number.POSITIVE_INFINITY;
  let cancel = () => {};

  function within(delayMs: number) {
    const atMs = clock.monotonicMs() + delayMs;
    if (atMs >= nextMs) return;
    cancel();
    nextMs = atMs;
    cancel = clock.after(delayMs, send);
  }

  function send() {
    count += 1;
    lastMs = clock.monotonicMs();
    nextMs = Number.POSITIVE_INFINITY;
    advertise();
    const isFirst = count < FIRST_ADVERTISEMENTS;
    within(isFirst ? LEAST_INTERVAL_MS : ADVERTISE_INTERVAL_MS * (1 - random() / 4));
  }

  send();
  return {
    answer() {
      const pauseMs = lastMs + LEAST_INTERVAL_MS - clock.monotonicMs();
      within(Math.max(random() * ANSWER_DELAY_MS, pauseMs));
    },
    close: () => cancel(),
  };
}

function sightingOf(name: string, routers: readonly Address[]): Sighting {
  const [router, another] = routers;
  if (router === undefined) return { router, obstacle: `No router advertises itself on "${name}"` };
  if (another === undefined) return { router, obstacle: '' };
  const who = routers.map(formatAddress).join(', ');
  const obstacle = `${routers.length} routers advertise themselves on "${name}" (${who}): name the one by its address`;
  return { router: undefined, obstacle };
}

function errorLog({ station, clock, log }: LookoutOptions): (error: Error) => void {
  let loggedMs = Number.NEGATIVE_INFINITY;
  return (error) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - loggedMs < ERROR_LOG_INTERVAL_MS) return;
    loggedMs = nowMs;
    log.warn('Trouble with looking for a router', { interface: station.name, error });
  };
}

function advertisementOf(station: Station): Uint8Array {
  return frameOf(station, {
    kind: 'advertisement',
    source: station.linkLocal,
    destination: ALL_NODES,
    lifetimeSec: 0,
    sourceMac: station.mac,
  });
}

function solicitationOf(station: Station): Uint8Array {
  return frameOf(station, {
    kind: 'solicitation',
    source: station.linkLocal,
    destination: ALL_ROUTERS,
    sourceMac: station.mac,
  });
}

function frameOf({ mac }: Station, message: RouterMessage): Uint8Array {
  return encodeEthernet({
    destination: multicastMac(message.destination),
    source: mac,
    vlan: undefined,
    etherType: ETHERTYPE_IPV6,
    payload: encodeRouterMessage(message),
  });
}
