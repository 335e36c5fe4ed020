import type { KindState } from '../domain/cluster-state.ts';
import type { MetricFamily, Sample } from '../telemetry/metrics.ts';
import type { AllocationView, ClusterView } from './view.ts';

type Read = () => Iterable<Sample>;
type Type = MetricFamily['type'];

const family = (
  type: Type,
  name: string,
  help: string,
  labels: string[],
  collect: Read,
): MetricFamily => ({ name, help, type, labels, collect });

/** How the API server is read. */
export function clusterFamilies(view: ClusterView): MetricFamily[] {
  const one = (name: string, help: string, value: () => number | boolean): MetricFamily =>
    family('gauge', `tidegate_cluster_${name}`, help, [], () => [{ value: Number(value()) }]);
  const each = (
    type: Type,
    name: string,
    help: string,
    value: (kind: KindState) => number | boolean | undefined,
  ): MetricFamily =>
    family(type, `tidegate_cluster_${name}`, help, ['kind'], () =>
      view.state().kinds.flatMap((state): Sample[] => {
        const read = value(state);
        return read === undefined ? [] : [{ labels: { kind: state.kind }, value: Number(read) }];
      }),
    );
  return [
    one('synced', '1 once all that is needed has been read', () => view.state().synced),
    one('remembered', '1 while an earlier process’s memory is in force', view.isRemembered),
    one(
      'trouble_seconds',
      'For how long something cannot be read; 0 when all can',
      () => view.state().troubleMs / 1000,
    ),
    family(
      'gauge',
      'tidegate_cluster_unwritable',
      '1 for each kind that the API server does not let this process write',
      ['kind'],
      () => {
        const kinds = view.state().unwritable.map(({ object }) => object?.kind ?? '');
        return [...new Set(kinds)].map((kind) => ({ labels: { kind }, value: 1 }));
      },
    ),
    one('leader', '1 while this process may write', view.leads),
    each('gauge', 'kind_synced', '1 once the kind has been read', ({ synced }) => synced),
    each('gauge', 'kind_installed', '0 while its definition is missing', (kind) => kind.installed),
    each('gauge', 'objects', 'Objects of the kind', ({ objects }) => objects),
    each('gauge', 'contact_age_seconds', 'Since the last good sign', ({ contactAgeMs }) =>
      contactAgeMs === undefined ? undefined : contactAgeMs / 1000,
    ),
    each('gauge', 'failures', 'Failed tries since then', ({ failures }) => failures),
    each('counter', 'lists_total', 'Complete lists', ({ lists }) => lists),
    each('counter', 'watches_total', 'Watches opened', ({ watches }) => watches),
    each('counter', 'events_total', 'Events taken', ({ events }) => events),
    each('counter', 'garbage_total', 'Answers not understood', ({ garbage }) => garbage),
  ];
}

/** The controller's writes, under the names that MetalLB's dashboards and alerts know. */
export function writeFamilies({ counters }: AllocationView): MetricFamily[] {
  const one = (type: Type, name: string, help: string, value: () => number | boolean) =>
    family(type, `metallb_k8s_client_${name}`, help, [], () => [{ value: Number(value()) }]);
  return [
    one('counter', 'updates_total', 'Statuses written', () => counters().updates),
    one('counter', 'update_errors_total', 'Writes that failed', () => counters().updateErrors),
    one(
      'gauge',
      'config_loaded_bool',
      '1 if the configuration has been loaded once',
      () => counters().configLoaded,
    ),
    one(
      'gauge',
      'config_stale_bool',
      '1 if some pool is not in force as it is written',
      () => counters().configStale,
    ),
  ];
}
