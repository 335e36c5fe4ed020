import test from 'ava';
import { decodePod } from '../../../src/cluster/decode/pod.ts';
import { formatAddress } from '../../../src/domain/address.ts';

test('decodePod() reads all addresses, else the one', (t) => {
  const metadata = { name: 'p', deletionTimestamp: '2026-01-01T00:00:00Z' };
  const both = decodePod({
    metadata,
    spec: { hostNetwork: true, nodeName: 'n' },
    status: { podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] },
  });
  t.deepEqual(both.problems, []);
  t.deepEqual(both.value?.addresses.map(formatAddress), ['10.0.0.1', 'fd00::1']);
  t.like(both.value, { hostNetwork: true, nodeName: 'n', deleting: true });
  const one = decodePod({ metadata, status: { podIP: '10.0.0.1' } });
  t.deepEqual(one.value?.addresses.map(formatAddress), ['10.0.0.1']);
  t.deepEqual(decodePod({ metadata }).value?.addresses, []);
});

for (const [what, fields, field] of [
  ['a bad address', { status: { podIP: 'x' } }, 'status.podIP'],
  ['a bad address among several', { status: { podIPs: [{ ip: 'x' }] } }, 'status.podIPs[0].ip'],
  ['a flag in quotes', { spec: { hostNetwork: 'true' } }, 'spec.hostNetwork'],
] as const) {
  test(`decodePod() refuses ${what}`, (t) => {
    const { value, problems } = decodePod({ metadata: { name: 'p' }, ...fields });
    t.is(value, undefined);
    t.is(problems[0]?.field, field);
  });
}
