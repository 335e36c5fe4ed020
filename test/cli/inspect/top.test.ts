import test from 'ava';
import type { Top, TopRow } from '../../../src/admin/api-inspect.ts';
import { ratesBetween } from '../../../src/cli/inspect/top.ts';

const row = (port: number, fields: Partial<TopRow>): TopRow => ({
  ...{ service: 'shop/web', address: '192.0.2.1', port, protocol: 'TCP', flows: 0 },
  ...{ newFlows: 0, inPackets: 0, inBytes: 0, outPackets: 0, outBytes: 0, drops: 0 },
  ...fields,
});

const at = (atMs: number, items: TopRow[], packets = {}): Top => ({ atMs, items, packets });

test('ratesBetween() tells what grew, a second, both directions together', (t) => {
  const before = at(1000, [row(80, { inPackets: 10, outPackets: 5, inBytes: 100, newFlows: 3 })]);
  const grown = {
    inPackets: 30,
    outPackets: 25,
    inBytes: 300,
    outBytes: 50,
    newFlows: 4,
    drops: 8,
  };
  const { seconds, items } = ratesBetween(before, at(3000, [row(80, grown)]), 'packets');
  t.is(seconds, 2);
  t.like(items[0], { packets: 20, bytes: 125, newFlows: 0.5, drops: 4 });
});

test('ratesBetween() takes a new port, and one that began anew, from zero', (t) => {
  const before = at(0, [row(80, { inPackets: 1000 })]);
  const after = at(1000, [row(80, { inPackets: 7 }), row(81, { inPackets: 9 })]);
  const { items } = ratesBetween(before, after, 'packets');
  t.deepEqual(
    items.map(({ port, packets }) => [port, packets]),
    [
      [81, 9],
      [80, 7],
    ],
  );
});

for (const [sort, first] of [
  ['packets', 1],
  ['bytes', 2],
  ['flows', 3],
  ['drops', 4],
] as const) {
  test(`ratesBetween() sorts by ${sort}`, (t) => {
    const after = [
      row(1, { inPackets: 9 }),
      row(2, { outBytes: 9 }),
      row(3, { flows: 9 }),
      row(4, { drops: 9 }),
    ];
    t.is(ratesBetween(at(0, []), at(1000, after), sort).items[0]?.port, first);
  });
}

test('ratesBetween() lists drops that happen now', (t) => {
  const before = at(0, [], { drop_ttl: 5, drop_no_port: 1, forwarded: 1 });
  const after = at(500, [], { drop_ttl: 5, drop_no_port: 3, forwarded: 9 });
  t.deepEqual(ratesBetween(before, after, 'packets').drops, { no_port: 4 });
});
