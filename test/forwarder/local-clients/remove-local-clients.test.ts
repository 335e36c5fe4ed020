import test from 'ava';
import { localClientsRule } from '../../../src/forwarder/local-clients/local-clients.ts';
import { removeLocalClients } from '../../../src/forwarder/local-clients/remove-local-clients.ts';
import { link } from '../../support/fake-rtnetlink.ts';
import { fakeNetworkConfig } from './fake-network-config.ts';

test('removeLocalClients() takes away the pair and the rules, and nothing else', async (t) => {
  const config = fakeNetworkConfig();
  await config.addVethPair({ names: ['tidegate0', 'tidegate1'], mtu: 1500 });
  const others = [
    { ...localClientsRule(4), table: 254 },
    { ...localClientsRule(6), priority: 1000 },
  ];
  config.allRules.push(localClientsRule(4), localClientsRule(6), ...others);
  await removeLocalClients(() => config);
  t.deepEqual([...config.table.keys()], ['eth0']);
  t.deepEqual(config.allRules, others);
  t.true(config.isClosed);
});

test('removeLocalClients() of nothing does nothing', async (t) => {
  const config = fakeNetworkConfig();
  config.table.set('tidegate0', link(5, 'tidegate0', { kind: 'bridge' }));
  await removeLocalClients(() => config);
  t.deepEqual(config.done, []);
});
