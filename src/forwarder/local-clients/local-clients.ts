import { type Address, type Family, familyOf, formatAddress } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import type { Link } from '../../protocol/rtnetlink/link.ts';
import type { Rule } from '../../protocol/rtnetlink/rule.ts';
import type { NetworkConfig } from '../../system/network-config.ts';
import type { Network, NetworkChange } from '../network.ts';
import { LOCAL_INTERFACE, LOCAL_PORT } from './local-interfaces.ts';

export interface LocalClientsParts {
  readonly network: Network;
  readonly openConfig: () => NetworkConfig;
  readonly setFeature: (interfaceName: string, feature: string, on: boolean) => void;
  /** True while the program is on `LOCAL_PORT` and on a port towards the network. */
  readonly isServing: () => boolean;
  /** The smallest MTU of the ports: what fits it fits every way to a backend. */
  readonly mtu: () => number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Our own routing table, asked before all others but the local one, and only for packets that this
 * box itself makes (`iif lo`): what comes from outside is routed as if it did not exist, and so is
 * the way back when the kernel checks it (rp_filter), which finds the answer's interface here.
 */
export const LOCAL_CLIENTS_TABLE = 7464;
const RULE_PRIORITY = 74;
const FAMILIES: readonly Family[] = [4, 6];
/** What another program took away, or the kernel refused, is put right after this time. */
const RETRY_MS = 10_000;
/** Below it an interface has no IPv6 (RFC 8200 §5). */
const MTU_MIN = 1280;
const MTU_DEFAULT = 1500;

/** XDP forwards bytes: a checksum that was left to a driver would never be computed. */
const TRANSMIT_OFFLOADS: readonly string[] = ['tx-checksum-ip-generic', 'tx-checksum-sctp'];

/**
 * The box's own programs as clients of its VIPs. What the box sends never passes XDP on its way out,
 * so VIPs are routed to a virtual cable of two interfaces, at whose far end the program takes them:
 *
 *   program on the box ── tidegate0 ══ tidegate1 (XDP) ── backend
 *
 * Neither has an address or resolves one (NOARP), so that nobody is asked, nothing is announced, and
 * a packet that the program does not take is for another host's MAC address, which the kernel drops:
 * no loop, also without a program. Both stay when the forwarder stops, as the program does.
 */
export class LocalClients {
  readonly #parts: LocalClientsParts;
  readonly #config: NetworkConfig;
  readonly #unsubscribe: () => void;
  readonly #vips = new Set<Address>();
  /** What the kernel's table holds; `undefined`: to be read. */
  #installed: ReadonlySet<Address> | undefined;
  /** Interfaces whose offloads and addresses were seen to. */
  #prepared: readonly number[] = [];
  #rules: ReadonlySet<Family> | undefined;
  #problem: string | undefined;
  #running = false;
  #again = false;
  #stopped = false;
  #cancelRetry: () => void = () => undefined;

  constructor(parts: LocalClientsParts) {
    this.#parts = parts;
    this.#config = parts.openConfig();
    this.#unsubscribe = parts.network.onChange((change) => this.#onNetwork(change));
    this.sync();
  }

  /** The address is a VIP from now on, or no longer. */
  setVip(address: Address, isVip: boolean): void {
    if (this.#vips.has(address) === isVip) return;
    if (isVip) this.#vips.add(address);
    else this.#vips.delete(address);
    this.sync();
  }

  /** A sentence with a remedy. */
  problems(): readonly string[] {
    return this.#problem === undefined ? [] : [this.#problem];
  }

  /** Routes and interfaces stay, as the program stays. */
  stop(): void {
    this.#stopped = true;
    this.#unsubscribe();
    this.#cancelRetry();
    this.#config.close();
  }

  /** Makes interfaces, rules and routes what they should be; one run at a time. */
  sync(): void {
    this.#again = true;
    if (this.#running || this.#stopped) return;
    this.#running = true;
    void this.#runs();
  }

  async #runs(): Promise<void> {
    this.#cancelRetry();
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false;
        await this.#run();
      }
      this.#setProblem(undefined);
    } catch (error) {
      this.#installed = undefined;
      this.#rules = undefined;
      this.#setProblem(error as NodeJS.ErrnoException);
    }
    this.#running = false;
  }

  async #run(): Promise<void> {
    const mtu = Math.max(this.#parts.mtu() ?? MTU_DEFAULT, MTU_MIN);
    const pair = await this.#pair(mtu);
    for (const link of pair) await this.#prepare(link, mtu);
    this.#prepared = pair.map(({ ifindex }) => ifindex);
    const wanted = this.#parts.isServing() ? new Set(this.#vips) : new Set<Address>();
    await this.#syncRules(new Set([...wanted].map(familyOf)));
    await this.#syncRoutes(pair[0].ifindex, wanted);
  }

  /** Found, or made. */
  async #pair(mtu: number): Promise<readonly [Link, Link]> {
    const [near, far] = await this.#find();
    if (!near && !far) {
      this.#installed = undefined;
      await this.#config.addVethPair({ names: [LOCAL_INTERFACE, LOCAL_PORT], mtu });
      return this.#pair(mtu);
    }
    if (near && far && near.kind === 'veth' && near.parent === far.ifindex) return [near, far];
    const name = (near ?? far)?.name;
    const problem = `Interface "${name}" is not the one that Tidegate makes`;
    throw new Error(`${problem} (remove it: ip link del ${name})`);
  }

  async #find(): Promise<readonly [Link | undefined, Link | undefined]> {
    const links = await this.#config.links();
    const named = (wanted: string) => links.find(({ name }) => name === wanted);
    return [named(LOCAL_INTERFACE), named(LOCAL_PORT)];
  }

  async #prepare(link: Link, mtu: number): Promise<void> {
    const { setFeature } = this.#parts;
    if (!this.#prepared.includes(link.ifindex)) {
      for (const feature of TRANSMIT_OFFLOADS) setFeature(link.name, feature, false);
      // With it a veth takes frames that XDP sends to its other end; without, they are lost.
      setFeature(link.name, 'rx-gro', true);
      await this.#config.changeLink(link.ifindex, { ipv6Addresses: 'none' });
    }
    if (link.isUp && !link.usesArp && link.mtu === mtu) return;
    await this.#config.changeLink(link.ifindex, { mtu, usesArp: false, isUp: true });
  }

  async #syncRules(families: ReadonlySet<Family>): Promise<void> {
    for (const family of FAMILIES) {
      const isWanted = families.has(family);
      if (this.#rules?.has(family) === isWanted) continue;
      const rule = localClientsRule(family);
      const found = (await this.#config.rules(family)).filter((each) => isSameRule(each, rule));
      if (isWanted && found.length === 0) await this.#config.addRule(rule);
      if (!isWanted) for (const each of found) await this.#config.removeRule(each);
    }
    this.#rules = families;
  }

  async #syncRoutes(ifindex: number, wanted: ReadonlySet<Address>): Promise<void> {
    const table = LOCAL_CLIENTS_TABLE;
    this.#installed ??= await this.#read();
    const installed = this.#installed;
    const former = [...installed].filter((each) => !wanted.has(each));
    const missing = [...wanted].filter((each) => !installed.has(each));
    await Promise.all([
      ...former.map((each) => this.#config.removeHostRoute({ destination: each, ifindex, table })),
      ...missing.map((each) => this.#config.addHostRoute({ destination: each, ifindex, table })),
    ]);
    this.#installed = wanted;
  }

  async #read(): Promise<Set<Address>> {
    const tables = FAMILIES.map((family) => this.#config.hostRoutes(family, LOCAL_CLIENTS_TABLE));
    return new Set((await Promise.all(tables)).flat());
  }

  #onNetwork(change: NetworkChange): void {
    if (change.kind === 'neighbour' || change.kind === 'address') return;
    if (change.kind === 'route' && change.destination !== undefined) {
      const { base } = change.destination;
      // Our own change is told, too; a removal that we did not make is found by reading anew.
      if (this.#running || !this.#vips.has(base)) return;
      this.#installed = undefined;
    } else if (change.kind !== 'link') {
      if (this.#running) return;
      this.#installed = undefined;
      this.#rules = undefined;
    }
    this.sync();
  }

  #setProblem(error: NodeJS.ErrnoException | undefined): void {
    const { clock, log } = this.#parts;
    if (this.#stopped) return;
    const problem = error && sentence(error, this.#vips);
    if (problem !== undefined && problem !== this.#problem) {
      log.warn('Programs on this box cannot reach VIPs', { reason: problem });
    }
    this.#problem = problem;
    if (error) this.#cancelRetry = clock.after(RETRY_MS, () => this.sync());
  }
}

/** Packets that this box makes, and no others, are routed by our table. */
export function localClientsRule(family: Family): Rule {
  return {
    family,
    priority: RULE_PRIORITY,
    table: LOCAL_CLIENTS_TABLE,
    inputInterface: 'lo',
  };
}

function isSameRule(a: Rule, b: Rule): boolean {
  return a.priority === b.priority && a.table === b.table && a.inputInterface === b.inputInterface;
}

function sentence(error: NodeJS.ErrnoException, vips: ReadonlySet<Address>): string {
  const [vip] = vips;
  const example = vip === undefined ? 'VIPs' : `VIPs such as ${formatAddress(vip)}`;
  const remedy = 'mend it, or set forwarder.localClients to false';
  return `Programs on this box do not reach ${example}: ${error.message}; ${remedy}`;
}
