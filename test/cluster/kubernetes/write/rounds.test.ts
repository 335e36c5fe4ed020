import test from 'ava';
import fc from 'fast-check';
import { kept, type Move, nextRound } from '../../../../src/cluster/kubernetes/write/rounds.ts';
import type { Address } from '../../../../src/domain/address.ts';
import { address as addr } from '../../../support/objects.ts';

const [A, B, C] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(addr) as [Address, Address, Address];

test('nextRound() lets nobody have an address before the other is rid of it', (t) => {
  const release: Move = { from: [A], to: [] };
  const move: Move = { from: [B], to: [A] };
  const grant: Move = { from: [], to: [B] };
  const free: Move = { from: [], to: [C] };
  const all = [grant, move, free, release];
  t.deepEqual(nextRound(all).ready, [free, release]);
  t.deepEqual(nextRound([grant, move]).ready, [move]);
  t.deepEqual(nextRound([grant]).ready, [grant]);
});

test('nextRound() breaks a circle', (t) => {
  const swap: Move[] = [
    { from: [A], to: [B] },
    { from: [B], to: [A] },
  ];
  t.deepEqual(nextRound(swap), { ready: [], breaks: swap[0] });
});

test('nextRound() brings any moves to their end, no address in two hands on the way', (t) => {
  const permutation = fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 });
  fc.assert(
    fc.property(permutation, fc.array(fc.boolean(), { minLength: 8 }), (order, has) => {
      const at = (index: number) => BigInt(index + 1) as Address;
      let moves = order.map((to, from): Move & { id: number } => ({
        id: from,
        from: has[from] ? [at(from)] : [],
        to: [at(to)],
      }));
      const held = new Map(moves.map(({ id, from }) => [id, from]));
      const set = (id: number, addresses: readonly Address[]) => {
        held.set(id, addresses);
        const all = [...held.values()].flat();
        t.is(new Set(all).size, all.length);
      };
      for (let round = 0; moves.length > 0; round++) {
        t.true(round < 20);
        const { ready, breaks } = nextRound(moves);
        for (const { id, to } of ready) set(id, to);
        if (breaks) set(breaks.id, kept(breaks));
        moves = moves
          .filter((move) => !ready.includes(move))
          .map((move) => ({ ...move, from: held.get(move.id) ?? [] }));
      }
      t.deepEqual([...held.values()].flat(), order.map(at));
    }),
  );
});
