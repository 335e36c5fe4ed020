import { type Address, formatAddress } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import { formatMac, type Mac } from '../../domain/mac.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV6 } from '../../protocol/ethernet.ts';
import type { PacketSocket } from '../../system/sockets.ts';
import type { LinkWire } from '../link-wire.ts';
import type { GratuitousSettings } from '../settings.ts';
import { answerArp } from './answer-arp.ts';
import { answerNdp } from './answer-ndp.ts';
import type { CounterTable } from './counters.ts';
import { ARP_FILTER, NDP_FILTER } from './filters.ts';
import { gratuitousFrames } from './gratuitous-frames.ts';
import { createGratuitousSchedule } from './gratuitous-schedule.ts';
import { createSolicitedGroups } from './solicited-groups.ts';
import type { DropReason, Station, Verdict } from './verdict.ts';

/**
 * One interface that announces. It answers for every VIP with its own MAC, also for one whose subnet
 * it has no address in, as MetalLB does: routers may be told of a VIP by a route to the link.
 */
export interface Port {
  /** Answers for the VIP from now on, and says so unasked. Idempotent; throws when no group can be joined. */
  announce(vip: Address): void;
  /** Stops answering at once. Idempotent. */
  withdraw(vip: Address): void;
  announces(vip: Address): boolean;
  status(): PortStatus;
  close(): void;
}

export interface PortStatus {
  readonly name: string;
  readonly mac: string;
  /** Frames that were not answered, by reason. */
  readonly drops: Readonly<Partial<Record<DropReason, number>>>;
  readonly sendErrors: number;
}

export interface PortOptions {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: Mac;
  readonly isOwnMac: (mac: Mac) => boolean;
  readonly gratuitous: GratuitousSettings;
  readonly counters: CounterTable;
  readonly wire: LinkWire;
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** A VIP is defended at most this often (RFC 5227 §1.1, DEFEND_INTERVAL); its conflicts are logged as often. */
export const DEFEND_INTERVAL_MS = 10_000;
/** At most one line of log about failed sends and receives in this time. */
const ERROR_LOG_INTERVAL_MS = 10_000;

/** Opens the sockets of an interface. Throws with `code` when the kernel refuses. */
export function openPort(options: PortOptions): Port {
  const { name, ifindex, mac, clock, log, counters, wire } = options;
  const vips = new Set<Address>();
  const defendedMs = new Map<Address, number>();
  const drops: Partial<Record<DropReason, number>> = {};
  let sendErrors = 0;
  let errorLoggedMs = Number.NEGATIVE_INFINITY;
  const station: Station = {
    mac,
    isOwnMac: options.isOwnMac,
    isAnnounced: (address) => vips.has(address),
  };

  const arp = wire.openPacketSocket(
    { family: 'packet', ifindex, etherType: ETHERTYPE_ARP, filter: ARP_FILTER },
    ({ bytes }) => heed(answerArp(bytes, station), arp),
    onError,
  );
  const ndp = openNdp();
  const groups = createSolicitedGroups(ndp, () => wire.openGroupSocket(ifindex));
  const schedule = createGratuitousSchedule({
    settings: options.gratuitous,
    clock,
    random: options.random,
    send: sendGratuitous,
  });

  function openNdp(): PacketSocket {
    try {
      const socket = wire.openPacketSocket(
        { family: 'packet', ifindex, etherType: ETHERTYPE_IPV6, filter: NDP_FILTER },
        ({ bytes }) => heed(answerNdp(bytes, station), socket),
        onError,
      );
      return socket;
    } catch (error) {
      arp.close();
      throw error;
    }
  }

  function heed(verdict: Verdict, socket: PacketSocket) {
    if (verdict.kind === 'drop') {
      drops[verdict.reason] = (drops[verdict.reason] ?? 0) + 1;
    } else if (verdict.kind === 'conflict') {
      defend(verdict.vip, verdict.mac);
    } else {
      counters.count(verdict.vip, 'requestsReceived');
      if (send(socket, verdict.frame)) counters.count(verdict.vip, 'responsesSent');
    }
  }

  function defend(vip: Address, claimant: Mac) {
    counters.count(vip, 'conflicts');
    const nowMs = clock.monotonicMs();
    const lastMs = defendedMs.get(vip);
    if (lastMs !== undefined && nowMs - lastMs < DEFEND_INTERVAL_MS) return;
    defendedMs.set(vip, nowMs);
    log.warn('Another station claims an announced address; defending it', {
      vip: formatAddress(vip),
      interface: name,
      claimant: formatMac(claimant),
    });
    sendGratuitous(vip);
  }

  function sendGratuitous(vip: Address) {
    for (const frame of gratuitousFrames(vip, mac))
      if (send(arp, frame)) counters.count(vip, 'gratuitousSent');
  }

  function send(socket: PacketSocket, frame: Uint8Array): boolean {
    try {
      socket.send(frame);
      return true;
    } catch (error) {
      sendErrors += 1;
      onError(error as NodeJS.ErrnoException);
      return false;
    }
  }

  function onError(error: NodeJS.ErrnoException) {
    // The interface went down or away: rtnetlink says so, too, and the port is closed then.
    if (error.code === 'ENETDOWN' || error.code === 'ENXIO' || error.code === 'ENODEV') return;
    const nowMs = clock.monotonicMs();
    if (nowMs - errorLoggedMs < ERROR_LOG_INTERVAL_MS) return;
    errorLoggedMs = nowMs;
    log.warn('Trouble with an announcing interface', { interface: name, error: error.message });
  }

  return {
    announce(vip) {
      if (vips.has(vip)) return groups.join(vip);
      vips.add(vip);
      try {
        groups.join(vip);
      } finally {
        schedule.start(vip);
      }
    },
    withdraw(vip) {
      vips.delete(vip);
      defendedMs.delete(vip);
      schedule.stop(vip);
      groups.leave(vip);
    },
    announces: (vip) => vips.has(vip),
    status: () => ({ name, mac: formatMac(mac), drops: { ...drops }, sendErrors }),
    close() {
      vips.clear();
      schedule.close();
      groups.close();
      arp.close();
      ndp.close();
    },
  };
}
