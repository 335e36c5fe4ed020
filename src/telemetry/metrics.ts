import { Counter, collectDefaultMetrics, Gauge, Registry } from '@prometheus-io/client';

/** One number of a family, with a value for each of the family's labels. */
export interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Numbers of one name. Nothing is kept between scrapes: `collect` reads what exists now. */
export interface MetricFamily {
  /** With the unit at its end, for example `tidegate_vip_bytes_total`. */
  readonly name: string;
  readonly help: string;
  /** A counter's samples only grow while the process lives. */
  readonly type: 'counter' | 'gauge';
  readonly labels: readonly string[];
  collect(): Iterable<Sample>;
}

export interface Metrics {
  readonly contentType: string;
  /** Throws for a name that is registered already. */
  register(family: MetricFamily): void;
  /** All families in Prometheus' text format; the cost grows with what exists. */
  text(): Promise<string>;
}

/** A registry with the usual figures of the Node process (memory, CPU, event loop delay). */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    contentType: registry.contentType,
    register: (family) => {
      const options = {
        name: family.name,
        help: family.help,
        labelNames: family.labels,
        registers: [registry],
      };
      if (family.type === 'counter') {
        new Counter({
          ...options,
          collect() {
            this.reset();
            for (const { labels, value } of family.collect()) this.inc(labels ?? {}, value);
          },
        });
      } else {
        new Gauge({
          ...options,
          collect() {
            this.reset();
            for (const { labels, value } of family.collect()) this.set(labels ?? {}, value);
          },
        });
      }
    },
    text: () => registry.metrics(),
  };
}
