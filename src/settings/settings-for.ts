import type { Settings } from './settings.ts';

/** The settings of the process that runs as `instance`, for which `{role}` in paths stands. */
export function settingsFor(settings: Settings, instance: string): Settings {
  const { cluster } = settings;
  const kubeconfig = cluster.kubernetes.kubeconfig?.replaceAll('{role}', instance);
  return {
    ...settings,
    cluster: { ...cluster, kubernetes: { ...cluster.kubernetes, kubeconfig } },
  };
}
