import { type Family, familyOf } from '../../domain/address.ts';
import type { Log } from '../../domain/log.ts';
import { type Prefix, rangeOfPrefix } from '../../domain/prefix.ts';
import { type AllowedClients, type PackedRanges, packRanges } from '../../system/bpf.ts';
import { INDEX_GRACE_MS } from './index-pool.ts';

type EndFlows = (rules: readonly AllowedClients[]) => Promise<number>;

interface Rule {
  readonly allowed: PackedRanges;
  readonly sinceMs: number;
}

/**
 * `loadBalancerSourceRanges` hold for established flows too: where a list came or changed, the flows
 * of clients that are not on it end. Twice, since a packet that was under way at the switch may open
 * one after the first look; and again when that fails. Off the event loop.
 */
export class RefusedFlows {
  readonly #endFlows: EndFlows;
  readonly #log: Log;
  /** By server index: lists that have not been settled. */
  readonly #rules = new Map<number, Rule>();
  readonly #packed: Readonly<Record<Family, WeakMap<readonly Prefix[], PackedRanges>>>;
  #news = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(endFlows: EndFlows, log: Log) {
    this.#endFlows = endFlows;
    this.#log = log;
    this.#packed = { 4: new WeakMap(), 6: new WeakMap() };
  }

  /** From `nowMs` on only clients within the ranges of this family may use the server. */
  restrict(server: number, ranges: readonly Prefix[], family: Family, nowMs: number): void {
    // Those of its family alone: ::/0 as a range of numbers takes in IPv4.
    const pack = () =>
      packRanges(ranges.filter(({ base }) => familyOf(base) === family).map(rangeOfPrefix));
    const allowed = this.#packed[family].get(ranges) ?? pack();
    this.#packed[family].set(ranges, allowed);
    this.#rules.set(server, { allowed, sinceMs: nowMs });
    this.#news = true;
  }

  /** Everybody may use the server again, or nobody can. */
  release(server: number): void {
    this.#rules.delete(server);
  }

  /** Begins to end the flows that `restrict` spoke of since the last time, if it did. */
  begin(): void {
    if (!this.#news) return;
    this.#news = false;
    this.#end([...this.#rules]);
  }

  /** Ends them once more, and is done with the lists that were there well before `startedMs`. */
  async settle(startedMs: number): Promise<void> {
    const rules = [...this.#rules];
    if (rules.length === 0 || !(await this.#end(rules))) return;
    for (const [server, rule] of rules) {
      const isOld = rule.sinceMs + INDEX_GRACE_MS <= startedMs;
      if (isOld && this.#rules.get(server) === rule) this.#rules.delete(server);
    }
  }

  /** Resolves when no flows are being ended. */
  async idle(): Promise<void> {
    await this.#running;
  }

  #end(rules: readonly (readonly [number, Rule])[]): Promise<boolean> {
    const servers = new Map<PackedRanges, number[]>();
    for (const [server, { allowed }] of rules) {
      const known = servers.get(allowed);
      if (known) known.push(server);
      else servers.set(allowed, [server]);
    }
    const lists = [...servers].map(([allowed, each]) => ({ servers: each, allowed }));
    const done = this.#running.then(() => this.#attempt(lists));
    this.#running = done;
    return done;
  }

  async #attempt(lists: readonly AllowedClients[]): Promise<boolean> {
    const log = this.#log;
    try {
      const ended = await this.#endFlows(lists);
      if (ended > 0) log.info('Ended flows that loadBalancerSourceRanges do not admit', { ended });
      return true;
    } catch (error) {
      const message = 'Cannot end flows that loadBalancerSourceRanges do not admit; will try again';
      log.error(message, { error });
      return false;
    }
  }
}
