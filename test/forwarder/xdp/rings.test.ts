import test from 'ava';
import { endpointOf } from '../../../src/forwarder/xdp/identity.ts';
import {
  apply,
  backendOf,
  dataplaneBench,
  NO_WRITES,
  ringOf,
  ringWordsOf,
  serverOf,
  VIP,
  vipOf,
} from '../../support/dataplane-bench.ts';
import { address, backend as plainBackend } from '../../support/objects.ts';

const rendezvous = { choice: 'rendezvous' } as const;

test('a list for a rendezvous has pairs of backend and endpoint, from an even word on', (t) => {
  const { bpf, dataplane } = dataplaneBench();
  // Of an odd number of words, so that what comes next would begin at an odd one.
  apply(dataplane, serverOf([backendOf(9)], { port: 1 }));
  apply(
    dataplane,
    serverOf([backendOf(1), backendOf(2, { use: 'down' }), backendOf(3)], rendezvous),
  );
  const vip = vipOf(bpf.object);
  if (!vip) return t.fail();
  t.is(vip.ringSize, 2);
  t.true(vip.ringOffset > 0 && vip.ringOffset % 2 === 0);
  const index = (host: number) => dataplane.backendIndex(`${VIP} TCP 80`, `10.0.1.${host} 8080`);
  t.deepEqual(ringWordsOf(bpf.object, vip), [
    index(1),
    endpointOf(address('10.0.1.1')),
    index(3),
    endpointOf(address('10.0.1.3')),
  ]);
});

test('a server that changes between list and table is switched with its scheduler', (t) => {
  const { bpf, dataplane, restart } = dataplaneBench();
  const backends = [backendOf(1), backendOf(2)];
  const schedulers = new Set<number | undefined>();
  for (const fields of [rendezvous, {}, { scheduler: 'round-robin' }, rendezvous] as const) {
    apply(dataplane, serverOf(backends, fields));
    schedulers.add(vipOf(bpf.object)?.scheduler);
    t.deepEqual(new Set(ringOf(bpf.object)), new Set(['10.0.1.1', '10.0.1.2']));
    const again = restart();
    apply(again, serverOf(backends, fields));
    t.deepEqual(again.usage().writes, NO_WRITES);
  }
  t.is(schedulers.size, 3);
});

test('the same ring is written anew where a backend has another index', (t) => {
  const { bpf, dataplane } = dataplaneBench();
  const first = serverOf([backendOf(1)]);
  apply(dataplane, first);
  apply(dataplane, serverOf([backendOf(2)], { ring: first.ring }));
  t.deepEqual(new Set(ringOf(bpf.object)), new Set(['10.0.1.2']));
});

test('two ports of one address have salts of their own, so that each wins its share', (t) => {
  const { bpf, dataplane } = dataplaneBench();
  const twice = [8080, 8081, 8082].map((port) => plainBackend(`10.0.1.1 ${port}`));
  apply(dataplane, serverOf(twice, { ...rendezvous, ring: Uint16Array.of(0, 1, 2) }));
  const vip = vipOf(bpf.object);
  if (!vip) return t.fail();
  const salts = ringWordsOf(bpf.object, vip).filter((_, i) => i % 2 === 1);
  t.is(salts[0], endpointOf(address('10.0.1.1')));
  t.is(new Set(salts).size, 3);
});
