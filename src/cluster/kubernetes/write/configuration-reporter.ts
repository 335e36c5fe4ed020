import type { Clock } from '../../../domain/clock.ts';
import type { ConfigurationReport, PoolCounts } from '../../../domain/configuration-report.ts';
import type { Log } from '../../../domain/log.ts';
import type { Problem } from '../../../domain/problem.ts';
import type { ApiRequest } from '../transport/api-request.ts';
import type { ApiConnection } from '../transport/connection.ts';
import { createConfigurationStateWriter } from './configuration-state-writer.ts';
import { FIELD_MANAGER } from './field-manager.ts';
import { failureOf } from './outcome.ts';

export interface ConfigurationReporterOptions {
  readonly connection: Pick<ApiConnection, 'request'>;
  /** Where MetalLB's objects are. */
  readonly namespace: string;
  readonly leads: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** Writes `IPAddressPool.status` and the ConfigurationState `controller`, where their kinds exist. */
export interface ConfigurationReporter {
  report(report: ConfigurationReport): void;
  stop(): void;
}

/** Reports are collected for so long: a pool is written once in this time at most. */
export const CONFIGURATION_SETTLE_MS = 1000;
/** What others have deleted or changed is written again after so long. */
export const CONFIGURATION_CHECK_MS = 30_000;

type Counts = Record<keyof Omit<PoolCounts, 'name'>, number>;

export function createConfigurationReporter(
  options: ConfigurationReporterOptions,
): ConfigurationReporter {
  return new Reporter(options);
}

/** A class, since it is all state. */
class Reporter implements ConfigurationReporter {
  readonly #options: ConfigurationReporterOptions;
  readonly #path: string;
  #pools: readonly PoolCounts[] = [];
  #problems: readonly Problem[] = [];
  /** As the cluster has them; `undefined` when that has to be asked. */
  #written: Map<string, Counts> | undefined;
  #cancel: (() => void) | undefined;
  #settling = false;
  #writing = false;
  #stopped = false;
  #lastFailure = '';
  readonly #writeState: (problems: readonly Problem[]) => Promise<void>;

  constructor(options: ConfigurationReporterOptions) {
    this.#options = options;
    this.#writeState = createConfigurationStateWriter({
      ...options,
      name: 'controller',
      labels: { 'metallb.io/component-type': 'controller' },
      condition: 'poolReconcilerValid',
      mayWrite: options.leads,
    });
    this.#path = `/apis/metallb.io/v1beta1/namespaces/${options.namespace}`;
  }

  report({ pools, problems }: ConfigurationReport): void {
    this.#pools = [...pools];
    this.#problems = problems;
    if (this.#settling || this.#writing) return;
    this.#settling = true;
    this.#schedule(CONFIGURATION_SETTLE_MS, () => this.#flush());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #schedule(delayMs: number, run: () => Promise<void>): void {
    this.#cancel?.();
    if (!this.#stopped) this.#cancel = this.#options.clock.after(delayMs, () => void run());
  }

  /** Looks at what is really there, too. */
  async #check(): Promise<void> {
    this.#written = undefined;
    await this.#flush();
  }

  async #flush(): Promise<void> {
    this.#settling = false;
    if (!this.#options.leads()) {
      this.#written = undefined;
      return;
    }
    this.#writing = true;
    const pools = this.#pools;
    const problems = this.#problems;
    try {
      await this.#writePools(pools);
      await this.#writeState(problems);
      this.#lastFailure = '';
    } catch (error) {
      this.#tell(error);
      this.#written = undefined;
    }
    this.#writing = false;
    const isNews = pools !== this.#pools || problems !== this.#problems;
    this.#settling = isNews;
    if (isNews) this.#schedule(CONFIGURATION_SETTLE_MS, () => this.#flush());
    else this.#schedule(CONFIGURATION_CHECK_MS, () => this.#check());
  }

  async #writePools(pools: readonly PoolCounts[]): Promise<void> {
    this.#written ??= await this.#readPools();
    const written = this.#written;
    for (const pool of pools) {
      const counts = countsOf(pool);
      const known = written.get(pool.name);
      if (!known || isSame(known, counts) || !this.#options.leads()) continue;
      await this.#request({
        method: 'PATCH',
        path: `${this.#path}/ipaddresspools/${pool.name}/status`,
        contentType: 'application/merge-patch+json',
        body: { status: counts },
      });
      written.set(pool.name, counts);
    }
  }

  /** Pools that are there, with the counts they have. None when their kind is not there. */
  async #readPools(): Promise<Map<string, Counts>> {
    const list = await this.#request({ method: 'GET', path: `${this.#path}/ipaddresspools` });
    const { items = [] } = (list ?? {}) as {
      items?: { metadata: { name: string }; status?: Counts }[];
    };
    return new Map(items.map(({ metadata, status }) => [metadata.name, status ?? NO_COUNTS]));
  }

  /** `undefined` when there is no such object, or no such kind. */
  async #request(request: ApiRequest): Promise<unknown> {
    const query = request.method === 'GET' ? {} : { query: { fieldManager: FIELD_MANAGER } };
    try {
      return await this.#options.connection.request({ ...request, ...query });
    } catch (error) {
      if (failureOf(error) === 'gone') return undefined;
      throw error;
    }
  }

  #tell(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (message === this.#lastFailure) return;
    this.#lastFailure = message;
    this.#options.log.warn('Cannot write the use of pools into the cluster', { error });
  }
}

const NO_COUNTS: Counts = {
  assignedIPv4: -1,
  assignedIPv6: -1,
  availableIPv4: -1,
  availableIPv6: -1,
};

/** JSON numbers are exact up to 2^53; what is more is said to be that. */
function countsOf({
  assignedIPv4,
  assignedIPv6,
  availableIPv4,
  availableIPv6,
}: PoolCounts): Counts {
  const clamp = (count: bigint) => Math.min(Number(count), Number.MAX_SAFE_INTEGER);
  return {
    assignedIPv4: clamp(assignedIPv4),
    assignedIPv6: clamp(assignedIPv6),
    availableIPv4: clamp(availableIPv4),
    availableIPv6: clamp(availableIPv6),
  };
}

function isSame(a: Counts, b: Counts): boolean {
  return (
    a.assignedIPv4 === b.assignedIPv4 &&
    a.assignedIPv6 === b.assignedIPv6 &&
    a.availableIPv4 === b.availableIPv4 &&
    a.availableIPv6 === b.availableIPv6
  );
}
