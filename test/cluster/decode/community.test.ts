import test from 'ava';
import { decodeCommunity } from '../../../src/cluster/decode/community.ts';

const read = (communities: readonly object[]) =>
  decodeCommunity({ metadata: { name: 'names' }, spec: { communities } });

test('decodeCommunity() reads names of communities', (t) => {
  const { value, problems } = read([
    { name: 'mine', value: '64500:1' },
    { name: 'big', value: 'large:64500:1:2' },
  ]);
  t.deepEqual(problems, []);
  t.deepEqual([...(value?.communities ?? [])] as never, [
    ['mine', { kind: 'standard', value: 0xfbf4_0001 }],
    ['big', { kind: 'large', value: { global: 64_500, local1: 1, local2: 2 } }],
  ]);
  t.is(decodeCommunity({ metadata: { name: 'none' } }).value?.communities.size, 0);
});

test('decodeCommunity() refuses what MetalLB refuses', (t) => {
  for (const value of ['65536:1', '1', 'extended:1:2', 'large:1:2:4294967296', '', undefined])
    t.is(read([{ name: 'mine', value }]).problems[0]?.field, 'spec.communities[0].value');
  const twice = read([
    { name: 'mine', value: '64500:1' },
    { name: 'mine', value: '64500:2' },
  ]);
  t.is(twice.value, undefined);
  t.is(twice.problems[0]?.message, 'Community "mine" stands here twice');
});
