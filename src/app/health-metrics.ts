import type { HealthMetrics } from '../forwarder/health/checker.ts';
import type { MetricFamily } from '../telemetry/metrics.ts';

const COUNTERS: readonly (readonly [name: string, help: string, field: CounterField])[] = [
  ['passed', 'Probes that passed', 'passed'],
  ['failed', 'Probes that failed', 'failed'],
  [
    'discarded',
    'Probes that told nothing: this box was stalled or short of something',
    'discarded',
  ],
];

type CounterField = 'passed' | 'failed' | 'discarded';

/** What the health checker counts. */
export function healthMetrics(read: () => HealthMetrics): MetricFamily[] {
  return [
    {
      name: 'tidegate_health_checks',
      help: 'Health checks by state',
      type: 'gauge',
      labels: ['state'],
      collect: () => {
        const { up, down, unanswered } = read();
        return Object.entries({ up, down, unanswered }).map(([state, value]) => ({
          labels: { state },
          value,
        }));
      },
    },
    ...COUNTERS.map(
      ([name, help, field]): MetricFamily => ({
        name: `tidegate_health_probes_${name}_total`,
        help,
        type: 'counter',
        labels: [],
        collect: () => [{ value: read()[field] }],
      }),
    ),
  ];
}
