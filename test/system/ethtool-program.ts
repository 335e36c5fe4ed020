/** Runs on a host of the lab with an interface eth0: reads and changes its offloads. */
import { hidingOffloads } from '../../src/forwarder/offloads.ts';
import { readFeatures, setFeature } from '../../src/system/ethtool.ts';
import { link } from '../support/fake-rtnetlink.ts';

const isActive = (feature: string) => readFeatures('eth0').get(feature)?.active;
const before = isActive('rx-gro');
setFeature('eth0', 'rx-gro', true);
const on = isActive('rx-gro');
setFeature('eth0', 'rx-gro', false);
setFeature('eth0', 'no-such-feature', true);
console.log(
  JSON.stringify({
    rxGro: [before, on, isActive('rx-gro')],
    hiding: hidingOffloads(link(2, 'eth0'), [], readFeatures),
  }),
);
