import test from 'ava';
import type { Address } from '../../../src/domain/address.ts';
import { affinityGroupOf, endpointOf } from '../../../src/forwarder/xdp/identity.ts';
import { address } from '../../support/objects.ts';

test('endpointOf() and affinityGroupOf() never change: other boxes go by them', (t) => {
  t.is(endpointOf(address('10.0.1.1')), 0x50e6220f);
  t.is(endpointOf(address('fd00:10:244::17')), 0xacfb5f23);
  t.is(affinityGroupOf('default/web'), 0x2d5567af7386f766n);
});

const NETWORKS = ['10.244.0.0', '10.244.255.0', '192.168.0.0', 'fd00:10:244::', '2001:db8:0:7::'];

for (const base of NETWORKS) {
  test(`endpointOf() tells the endpoints from ${base} on apart, and spreads them`, (t) => {
    const count = 65_536;
    const endpoints = Array.from({ length: count }, (_, i) =>
      endpointOf((address(base) + BigInt(i)) as Address),
    );
    // Of 32 random bits, 0.5 pairs would be equal.
    t.true(new Set(endpoints).size >= count - 4);
    for (const shift of [0, 8, 16, 24]) {
      const buckets = new Array<number>(256).fill(0);
      for (const each of endpoints) {
        const bucket = (each >>> shift) & 255;
        buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      }
      // 256 each on average, with a standard deviation of 16.
      t.true(Math.min(...buckets) > 160, `bits from ${shift} on`);
      t.true(Math.max(...buckets) < 352, `bits from ${shift} on`);
    }
  });
}

test('affinityGroupOf() tells Services apart', (t) => {
  const groups = new Set<bigint>();
  for (let i = 0; i < 20_000; i++) groups.add(affinityGroupOf(`default/web-${i}`));
  t.is(groups.size, 20_000);
  t.not(affinityGroupOf('a/bc'), affinityGroupOf('ab/c'));
});
