import { existsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import { ARPHRD_ETHER, type Link } from '../protocol/rtnetlink/link.ts';
import type { BpfObject, XdpMode } from '../system/bpf.ts';
import { interfaceOfPin, pinName, pinsIn } from './link-pins.ts';
import { isOwnInterface, LOCAL_PORT } from './local-clients/local-interfaces.ts';
import type { Network } from './network.ts';
import { hidingOffloads, type ReadFeatures } from './offloads.ts';
import type { XdpModeSetting } from './settings.ts';
import { carrierOf, isAggregate } from './way-out.ts';
import { viewOf } from './xdp/abi.ts';
import { bpfMap } from './xdp/bpf-map.ts';
import { indexKey } from './xdp/statistics.ts';

export interface InterfacesParts {
  readonly object: BpfObject;
  readonly network: Network;
  /** Names; empty: all that are up, Ethernet, no tunnel and hold an address. */
  readonly wanted: readonly string[];
  readonly mode: XdpModeSetting;
  /** The way of the box's own clients (`LOCAL_PORT`) carries the program too. */
  readonly localClients: boolean;
  /** Folder in bpffs for the links' pins. */
  readonly pinDir: string;
  readonly readFeatures: ReadFeatures;
  readonly clock: Clock;
  readonly log: Log;
  /** The set of interfaces that carry the program changed. */
  readonly onChange: () => void;
}

/** An interface that carries the program. */
export interface Port {
  readonly name: string;
  readonly ifindex: number;
  readonly mode: XdpMode;
}

/** Somebody else's program may go away, a driver may come up: tried again this often. */
const RETRY_MS = 10_000;
/** Offloads may be turned on at any time, and no event tells of it. */
const RECHECK_MS = 60_000;
/** Ethernet by name, but what they carry is inside other packets. */
const TUNNELS: readonly string[] = ['vxlan', 'geneve', 'gretap', 'ip6gretap', 'erspan', 'tun'];

/**
 * Has the XDP program on the interfaces, and follows interfaces that come and go. A pinned link
 * keeps the program where it is while no forwarder runs; the next one takes it over without a gap.
 *
 * A VLAN device stands for the interface below it, where its frames are seen with their tags; a
 * member of a bond or bridge for its master, where its frames go.
 */
export class Interfaces {
  readonly #parts: InterfacesParts;
  readonly #ports = new Map<number, Port>();
  #local: Port | undefined;
  /** Ports by index of their members. */
  #members: ReadonlyMap<number, number> = new Map();
  /** What is wrong, by interface name. */
  readonly #problems = new Map<string, string>();
  #offloads: readonly string[] = [];
  readonly #unsubscribe: () => void;
  #cancelRetry: () => void = () => undefined;

  constructor(parts: InterfacesParts) {
    this.#parts = parts;
    this.#unsubscribe = parts.network.onChange(({ kind }) => {
      if (kind !== 'neighbour' && kind !== 'route') this.#sync();
    });
    this.#takeOffUnnamed();
    this.#sync();
    this.#forgetFormerPorts();
  }

  /** Towards the network; the way of the box's own clients is not among them. */
  ports(): Iterable<Port> {
    return this.#ports.values();
  }

  isPort(ifindex: number): boolean {
    return this.#ports.has(ifindex);
  }

  /** Where packets of the box's own clients come in; `undefined` while nothing is attached there. */
  localPort(): Port | undefined {
    return this.#local;
  }

  /** Sentences with a remedy, for status and readiness. */
  problems(): readonly string[] {
    return [...this.#problems.values(), ...this.#offloads];
  }

  /** The program stays on the interfaces. */
  stop(): void {
    this.#unsubscribe();
    this.#cancelRetry();
  }

  /** Attaches where the program is missing, forgets interfaces that are gone. */
  #sync(): void {
    const { network, clock, onChange } = this.#parts;
    const before = this.#fingerprint();
    for (const port of [...this.#ports.values(), ...(this.#local ? [this.#local] : [])]) {
      if (network.links.get(port.ifindex)?.name !== port.name) this.#forget(port);
    }
    this.#problems.clear();
    for (const link of this.#wantedLinks()) {
      if (!this.#ports.has(link.ifindex)) this.#attachWanted(link);
    }
    this.#levelModes();
    this.#syncMembers();
    this.#syncLocal();
    this.#lookAtOffloads();
    this.#cancelRetry();
    const again = this.problems().length > 0 ? RETRY_MS : RECHECK_MS;
    this.#cancelRetry = clock.after(again, () => this.#sync());
    if (this.#fingerprint() !== before) onChange();
  }

  #fingerprint(): string {
    return [...this.#ports.keys(), 'local', this.#local?.ifindex].join();
  }

  #wantedLinks(): readonly Link[] {
    const { wanted, network } = this.#parts;
    const links = [...network.links.values()].filter(({ name }) => !isOwnInterface(name));
    const chosen =
      wanted.length === 0
        ? links.filter((link) => this.#isSuitable(link))
        : wanted.flatMap((name) => {
            const link = links.find((each) => each.name === name);
            if (!link) this.#problems.set(name, missing(name));
            return link ?? [];
          });
    return [...new Set(chosen.map((link) => carrierOf(network.links, link)))];
  }

  #isSuitable({ ifindex, isUp, isLoopback, hardwareType, mac, kind }: Link): boolean {
    if (!isUp || isLoopback || hardwareType !== ARPHRD_ETHER || mac === undefined) return false;
    if (TUNNELS.includes(kind)) return false;
    for (const held of this.#parts.network.addresses()) if (held.ifindex === ifindex) return true;
    return false;
  }

  #attachWanted(link: Link): void {
    const { pinDir, mode } = this.#parts;
    const pinned = existsSync(join(pinDir, pinName(link.name)));
    const port = this.#attach(link, modesFor(mode, link, pinned));
    if (port) this.#ports.set(port.ifindex, port);
  }

  /** In the first mode that is taken; otherwise there is a problem. */
  #attach(link: Link, modes: readonly XdpMode[]): Port | undefined {
    const { object, pinDir, log } = this.#parts;
    const { name, ifindex } = link;
    let refusal: NodeJS.ErrnoException | undefined;
    for (const mode of modes) {
      try {
        object.attach(ifindex, mode, join(pinDir, pinName(name)));
        bpfMap(object, 'ports').update(indexKey(ifindex), indexKey(ifindex));
        log.info('XDP program attached', { interface: name, mode, ...reasonOf(refusal) });
        return { name, ifindex, mode };
      } catch (error) {
        refusal = error as NodeJS.ErrnoException;
        // A foreign program is in the way in every mode.
        if (refusal.code === 'EBUSY') break;
      }
    }
    const problem = cannotAttach(name, this.#parts.mode, refusal);
    this.#problems.set(name, problem);
    log.error('Cannot attach the XDP program', { interface: name, reason: problem });
    return undefined;
  }

  /**
   * A driver in native mode hands packets only to drivers that have it, too; to others they would be
   * lost. So one generic port makes all of them generic.
   */
  #levelModes(): void {
    const ports = [...this.#ports.values()];
    if (this.#parts.mode !== 'auto' || !ports.some(({ mode }) => mode === 'generic')) return;
    for (const { name, ifindex, mode } of ports) {
      const link = this.#parts.network.links.get(ifindex);
      if (mode === 'generic' || !link) continue;
      const reason = 'another port has no native mode, and could not be reached from it';
      this.#parts.log.warn('Native mode is given up', { interface: name, reason });
      const port = this.#attach(link, ['generic']);
      if (port) this.#ports.set(ifindex, port);
      else this.#ports.delete(ifindex);
    }
  }

  /**
   * In native mode a bond runs the program in its members' drivers, and packets come in by a member,
   * as the program sees it: back to where they came from means by the bond.
   */
  #syncMembers(): void {
    const { object, network } = this.#parts;
    const map = bpfMap(object, 'ports');
    const links = [...network.links.values()];
    const members = new Map(
      links
        .filter(({ master }) => this.#ports.has(master) && isAggregate(network.links.get(master)))
        .map(({ ifindex, master }) => [ifindex, master]),
    );
    for (const [ifindex, master] of members) {
      if (this.#members.get(ifindex) !== master) map.update(indexKey(ifindex), indexKey(master));
    }
    for (const ifindex of this.#members.keys()) {
      if (!members.has(ifindex)) map.delete(indexKey(ifindex));
    }
    this.#members = members;
  }

  /**
   * Always in generic mode: there a packet of the program's own (an echo reply) needs no program on
   * the other end to arrive, and a veth takes packets from drivers in either mode.
   */
  #syncLocal(): void {
    const { localClients, network } = this.#parts;
    const link = [...network.links.values()].find(({ name }) => name === LOCAL_PORT);
    if (!localClients || this.#local || !link?.isUp) return;
    this.#local = this.#attach(link, ['generic']);
  }

  #lookAtOffloads(): void {
    const { network, readFeatures, log } = this.#parts;
    const links = [...network.links.values()];
    const found = [...this.#ports.values()].flatMap((port) =>
      hidingOffloads(port, links, readFeatures),
    );
    for (const problem of found) {
      if (!this.#offloads.includes(problem)) log.warn('Offload in the way', { reason: problem });
    }
    this.#offloads = found;
  }

  #forget({ name, ifindex }: Port): void {
    this.#ports.delete(ifindex);
    if (this.#local?.ifindex === ifindex) this.#local = undefined;
    bpfMap(this.#parts.object, 'ports').delete(indexKey(ifindex));
    this.#parts.log.warn('Interface is gone', { interface: name });
  }

  /** Takes the program off interfaces that an earlier run had and the settings no longer name. */
  #takeOffUnnamed(): void {
    const { wanted, localClients, network, pinDir, log } = this.#parts;
    const carriers = this.#wantedLinks().map(({ name }) => name);
    const there = new Set([...network.links.values()].map(({ name }) => name));
    const absent = wanted.filter((name) => !there.has(name));
    const kept = new Set([...carriers, ...absent].map(pinName));
    for (const pin of pinsIn(pinDir)) {
      const isLocal = pin === pinName(LOCAL_PORT);
      if (isLocal ? localClients : wanted.length === 0 || kept.has(pin)) continue;
      unlinkSync(join(pinDir, pin));
      log.info('XDP program taken off', { interface: interfaceOfPin(pin) });
    }
  }

  /** After the others are in place: packets were redirected all the time. */
  #forgetFormerPorts(): void {
    const ports = bpfMap(this.#parts.object, 'ports');
    for (const { key } of ports.entries()) {
      const ifindex = viewOf(key).getUint32(0, true);
      const isKnown = this.#ports.has(ifindex) || this.#members.has(ifindex);
      if (!isKnown && this.#local?.ifindex !== ifindex) ports.delete(key);
    }
  }
}

/**
 * Modes in the order of trying. A program of ours that is there keeps its mode: changing it is a
 * gap.
 */
function modesFor(setting: XdpModeSetting, link: Link, pinned: boolean): readonly XdpMode[] {
  if (setting !== 'auto') return [setting];
  return pinned && link.xdp === 'generic' ? ['generic', 'native'] : ['native', 'generic'];
}

function reasonOf(refusal: NodeJS.ErrnoException | undefined): { readonly reason?: string } {
  return refusal ? { reason: `native mode refused: ${refusal.message}` } : {};
}

function missing(name: string): string {
  const problem = `Interface "${name}" of forwarder.interfaces does not exist`;
  return `${problem}; correct its name or create it`;
}

function cannotAttach(
  name: string,
  mode: XdpModeSetting,
  refusal: NodeJS.ErrnoException | undefined,
): string {
  const why = refusal?.message ?? 'unknown';
  if (refusal?.code === 'EBUSY') {
    return `Interface "${name}" carries another XDP program (${why}); remove that one first`;
  }
  if (mode === 'native') {
    return `Interface "${name}" refuses native mode (${why}); set forwarder.xdpMode to auto`;
  }
  return `Interface "${name}" refuses the XDP program (${why})`;
}
