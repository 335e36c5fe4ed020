import { existsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import { ARPHRD_ETHER, type Link } from '../protocol/rtnetlink/link.ts';
import type { BpfObject, XdpMode } from '../system/bpf.ts';
import { interfaceOfPin, pinName, pinsIn } from './link-pins.ts';
import type { Network } from './network.ts';
import type { XdpModeSetting } from './settings.ts';
import { viewOf } from './xdp/abi.ts';
import { bpfMap } from './xdp/dataplane.ts';
import { indexKey } from './xdp/statistics.ts';

export interface InterfacesParts {
  readonly object: BpfObject;
  readonly network: Network;
  /** Names; empty: all that are up, Ethernet, no tunnel and hold an address. */
  readonly wanted: readonly string[];
  readonly mode: XdpModeSetting;
  /** Folder in bpffs for the links' pins. */
  readonly pinDir: string;
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
/** Ethernet by name, but what they carry is inside other packets. */
const TUNNELS: readonly string[] = ['vxlan', 'geneve', 'gretap', 'ip6gretap', 'erspan', 'tun'];

/**
 * Has the XDP program on the interfaces, and follows interfaces that come and go. A pinned link
 * keeps the program where it is while no forwarder runs; the next one takes it over without a gap.
 */
export class Interfaces {
  readonly #parts: InterfacesParts;
  readonly #ports = new Map<number, Port>();
  /** What is wrong, by interface name. */
  readonly #problems = new Map<string, string>();
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

  ports(): Iterable<Port> {
    return this.#ports.values();
  }

  isPort(ifindex: number): boolean {
    return this.#ports.has(ifindex);
  }

  /** Sentences with a remedy, for status and readiness. */
  problems(): readonly string[] {
    return [...this.#problems.values()];
  }

  /** The program stays on the interfaces. */
  stop(): void {
    this.#unsubscribe();
    this.#cancelRetry();
  }

  /** Attaches where the program is missing, forgets interfaces that are gone. */
  #sync(): void {
    const { network } = this.#parts;
    const before = [...this.#ports.keys()].join();
    for (const [ifindex, port] of this.#ports) {
      if (network.links.get(ifindex)?.name !== port.name) this.#forget(port);
    }
    this.#problems.clear();
    for (const link of this.#wantedLinks()) {
      if (!this.#ports.has(link.ifindex)) this.#attach(link);
    }
    this.#cancelRetry();
    if (this.#problems.size > 0) {
      this.#cancelRetry = this.#parts.clock.after(RETRY_MS, () => this.#sync());
    }
    if ([...this.#ports.keys()].join() !== before) this.#parts.onChange();
  }

  #wantedLinks(): readonly Link[] {
    const { wanted, network } = this.#parts;
    const links = [...network.links.values()];
    if (wanted.length === 0) return links.filter((link) => this.#isSuitable(link));
    return wanted.flatMap((name) => {
      const link = links.find((each) => each.name === name);
      if (!link) this.#problems.set(name, missing(name));
      return link ?? [];
    });
  }

  #isSuitable({ ifindex, isUp, isLoopback, hardwareType, mac, kind }: Link): boolean {
    if (!isUp || isLoopback || hardwareType !== ARPHRD_ETHER || mac === undefined) return false;
    if (TUNNELS.includes(kind)) return false;
    for (const held of this.#parts.network.addresses()) if (held.ifindex === ifindex) return true;
    return false;
  }

  #attach(link: Link): void {
    const { object, pinDir, log } = this.#parts;
    const { name, ifindex } = link;
    const pin = join(pinDir, pinName(name));
    let refusal: NodeJS.ErrnoException | undefined;
    for (const mode of modesFor(this.#parts.mode, link, existsSync(pin))) {
      try {
        object.attach(ifindex, mode, pin);
        bpfMap(object, 'ports').update(indexKey(ifindex), indexKey(ifindex));
        this.#ports.set(ifindex, { name, ifindex, mode });
        log.info('XDP program attached', { interface: name, mode, ...reasonOf(refusal) });
        return;
      } catch (error) {
        refusal = error as NodeJS.ErrnoException;
        // A foreign program is in the way in every mode.
        if (refusal.code === 'EBUSY') break;
      }
    }
    const problem = cannotAttach(name, this.#parts.mode, refusal);
    this.#problems.set(name, problem);
    log.error('Cannot attach the XDP program', { interface: name, reason: problem });
  }

  #forget({ name, ifindex }: Port): void {
    this.#ports.delete(ifindex);
    bpfMap(this.#parts.object, 'ports').delete(indexKey(ifindex));
    this.#parts.log.warn('Interface is gone', { interface: name });
  }

  /** Takes the program off interfaces that an earlier run had and the settings no longer name. */
  #takeOffUnnamed(): void {
    const { wanted, pinDir, log } = this.#parts;
    if (wanted.length === 0) return;
    const kept = new Set(wanted.map(pinName));
    for (const pin of pinsIn(pinDir)) {
      if (kept.has(pin)) continue;
      unlinkSync(join(pinDir, pin));
      log.info('XDP program taken off', { interface: interfaceOfPin(pin) });
    }
  }

  /** After the others are in place: packets were redirected all the time. */
  #forgetFormerPorts(): void {
    const ports = bpfMap(this.#parts.object, 'ports');
    for (const { key } of ports.entries()) {
      if (!this.#ports.has(viewOf(key).getUint32(0, true))) ports.delete(key);
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
