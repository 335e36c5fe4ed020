import test from 'ava';
import { defaultSettings, parseSettings } from '../../src/settings/load.ts';
import { settingsFor } from '../../src/settings/settings-for.ts';

const HOST = { hostname: 'edge-1' };

test('settingsFor() names the kubeconfig of the role', (t) => {
  const text = 'cluster: { kubernetes: { kubeconfig: "/etc/{role}/{role}.kubeconfig" } }';
  const read = parseSettings(text, 'tidegate.yaml', HOST);
  t.true(read.ok);
  if (!read.ok) return;
  const { cluster } = settingsFor(read.settings, 'speaker');
  t.is(cluster.kubernetes.kubeconfig, '/etc/speaker/speaker.kubeconfig');
});

test('settingsFor() leaves everything else as it is', (t) => {
  const settings = defaultSettings(HOST);
  t.deepEqual(settingsFor(settings, 'speaker'), settings);
});
