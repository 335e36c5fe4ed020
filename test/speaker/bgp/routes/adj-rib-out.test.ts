import test from 'ava';
import fc from 'fast-check';
import type { BgpRoute, RouteAttributes } from '../../../../src/domain/bgp/bgp-route.ts';
import { KeyedMap } from '../../../../src/domain/keyed-map.ts';
import { formatPrefix, type Prefix, parsePrefix } from '../../../../src/domain/prefix.ts';
import type { PathAttributes } from '../../../../src/protocol/bgp/message.ts';
import {
  type AdjRibOut,
  createAdjRibOut,
  type RibStep,
  routeChanges,
} from '../../../../src/speaker/bgp/routes/adj-rib-out.ts';
import { createPaths } from '../../../../src/speaker/bgp/routes/paths.ts';
import { PLAIN } from '../../../support/bgp-objects.ts';
import { address } from '../../../support/objects.ts';

const PEER = 'metallb-system/tor';
const LONGER: RouteAttributes = { ...PLAIN, prepend: 2 };

const nextHops = {
  4: { global: address('192.0.2.1'), linkLocal: undefined },
  6: { global: address('2001:db8::1'), linkLocal: undefined },
};
const pathsBy = (localAsn: number) =>
  createPaths({ localAsn, internal: false, extendedNextHop: false, nextHops });

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed) throw new Error(`"${text}" is no prefix`);
  return parsed;
}

function routesOf(table: Readonly<Record<string, RouteAttributes>>): KeyedMap<BgpRoute> {
  return KeyedMap.from(
    Object.entries(table).map(([text, attributes]) => [
      text,
      { prefix: prefix(text), byPeer: new Map([[PEER, attributes]]) },
    ]),
  );
}

/** A peer that holds what it was told. */
function createHolder() {
  const holds = new Map<string, PathAttributes>();
  const marks: string[] = [];
  return {
    holds,
    marks,
    hear(step: RibStep) {
      if (step.kind !== 'changes') {
        marks.push(`${step.kind} ${step.family}`);
        return;
      }
      for (const gone of step.withdraw) holds.delete(formatPrefix(gone));
      for (const one of step.announce) holds.set(formatPrefix(one.prefix), one.path);
    },
  };
}

function drain(rib: AdjRibOut, hear: (step: RibStep) => void) {
  for (let step = rib.next(2); step; step = rib.next(2)) hear(step);
}

function setRoutes(rib: AdjRibOut, before: KeyedMap<BgpRoute>, next: KeyedMap<BgpRoute>) {
  rib.want(next, routeChanges(before, next));
}

test('next() gives the whole table first, and later only what changed', (t) => {
  const rib = createAdjRibOut(PEER);
  const peer = createHolder();
  const first = routesOf({
    '192.0.2.7/32': PLAIN,
    '192.0.2.8/32': PLAIN,
    '2001:db8::7/128': PLAIN,
  });
  setRoutes(rib, KeyedMap.empty(), first);
  t.deepEqual(rib.counts(), { announced: 0, pending: 3 });
  t.is(rib.next(10), undefined, 'there is no session');
  rib.open(pathsBy(64500), [4, 6]);
  rib.endOfRib(4);
  rib.endOfRib(6);
  drain(rib, peer.hear);
  t.deepEqual([...peer.holds.keys()].sort(), ['192.0.2.7/32', '192.0.2.8/32', '2001:db8::7/128']);
  t.deepEqual(peer.marks, ['endOfRib 4', 'endOfRib 6']);
  t.deepEqual(rib.counts(), { announced: 3, pending: 0 });

  setRoutes(rib, first, routesOf({ '192.0.2.7/32': LONGER, '2001:db8::7/128': { ...PLAIN } }));
  const step = rib.next(10);
  t.is(step?.kind, 'changes');
  if (step?.kind !== 'changes') return;
  t.deepEqual(
    [...step.keys].sort(),
    ['192.0.2.7/32', '192.0.2.8/32'],
    'equal attributes are no news',
  );
  t.deepEqual(step.withdraw.map(formatPrefix), ['192.0.2.8/32']);
  t.deepEqual(step.announce[0]?.path.asPath, [{ kind: 'sequence', asns: [64500, 64500, 64500] }]);
});

test('next() is silent on what changed and changed back before its turn came', (t) => {
  const rib = createAdjRibOut(PEER);
  const routes = routesOf({ '192.0.2.7/32': PLAIN });
  setRoutes(rib, KeyedMap.empty(), routes);
  rib.open(pathsBy(64500), [4]);
  drain(rib, () => {});
  setRoutes(rib, routes, KeyedMap.empty());
  setRoutes(rib, KeyedMap.empty(), routes);
  t.is(rib.next(10), undefined);
});

test('open() leaves out families that the session does not have', (t) => {
  const rib = createAdjRibOut(PEER);
  const peer = createHolder();
  setRoutes(rib, KeyedMap.empty(), routesOf({ '192.0.2.7/32': PLAIN, '2001:db8::7/128': PLAIN }));
  rib.open(pathsBy(64500), [6]);
  drain(rib, peer.hear);
  t.deepEqual([...peer.holds.keys()], ['2001:db8::7/128']);
});

test('repath() tells anew what has another path now, and withdraws what has none', (t) => {
  const rib = createAdjRibOut(PEER);
  const peer = createHolder();
  setRoutes(rib, KeyedMap.empty(), routesOf({ '192.0.2.7/32': PLAIN, '2001:db8::7/128': PLAIN }));
  rib.open(pathsBy(64500), [4, 6]);
  drain(rib, peer.hear);
  rib.repath(
    createPaths({
      localAsn: 64500,
      internal: false,
      extendedNextHop: false,
      nextHops: { 4: { global: address('192.0.2.99'), linkLocal: undefined }, 6: undefined },
    }),
  );
  drain(rib, peer.hear);
  t.deepEqual(
    [...peer.holds].map(([key, { nextHop }]) => [key, nextHop]),
    [['192.0.2.7/32', address('192.0.2.99')]],
  );
});

test('refresh() says a family again between its marks, with what waits, and End-of-RIB after it', (t) => {
  const rib = createAdjRibOut(PEER);
  const first = routesOf({
    '192.0.2.7/32': PLAIN,
    '192.0.2.8/32': PLAIN,
    '2001:db8::7/128': PLAIN,
  });
  setRoutes(rib, KeyedMap.empty(), first);
  rib.open(pathsBy(64500), [4, 6]);
  drain(rib, () => {});
  setRoutes(
    rib,
    first,
    first.with('192.0.2.9/32', {
      ...(first.get('192.0.2.7/32') as BgpRoute),
      prefix: prefix('192.0.2.9/32'),
    }),
  );
  rib.endOfRib(4);
  rib.refresh(4, true);
  rib.refresh(4, true);
  const said: string[] = [];
  drain(rib, (step) => {
    if (step.kind === 'changes')
      said.push(...step.announce.map((one) => formatPrefix(one.prefix)).sort());
    else said.push(step.kind);
  });
  t.deepEqual(said[0], 'beginOfRefresh');
  t.deepEqual(said.slice(1, 4).sort(), ['192.0.2.7/32', '192.0.2.8/32', '192.0.2.9/32']);
  t.deepEqual(said.slice(4), ['endOfRefresh', 'endOfRib']);
  rib.refresh(6, false);
  const plain = rib.next(10);
  t.is(plain?.kind === 'changes' && plain.announce.length, 1);
  t.is(rib.next(10), undefined);
});

test('whatever comes in between, the peer ends with what is wanted, each prefix waiting once', (t) => {
  const texts = [
    '192.0.2.1/32',
    '192.0.2.2/32',
    '198.51.100.0/24',
    '2001:db8::1/128',
    '2001:db8::/64',
  ];
  const table = fc
    .array(fc.constantFrom(undefined, PLAIN, LONGER, { ...PLAIN }), {
      minLength: texts.length,
      maxLength: texts.length,
    })
    .map((values) =>
      routesOf(
        Object.fromEntries(texts.flatMap((text, i) => (values[i] ? [[text, values[i]]] : []))),
      ),
    );
  const action = fc.oneof(
    { weight: 4, arbitrary: table.map((routes) => ({ kind: 'want' as const, routes })) },
    {
      weight: 4,
      arbitrary: fc.integer({ min: 1, max: 3 }).map((limit) => ({ kind: 'hear' as const, limit })),
    },
    fc.constant({ kind: 'reset' as const }),
    fc.constant({ kind: 'lose' as const }),
    fc.integer({ min: 1, max: 3 }).map((asn) => ({ kind: 'repath' as const, asn })),
    fc
      .tuple(fc.constantFrom(4 as const, 6 as const), fc.boolean())
      .map(([family, enhanced]) => ({ kind: 'refresh' as const, family, enhanced })),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const rib = createAdjRibOut(PEER);
      let routes = KeyedMap.empty<BgpRoute>();
      let paths = pathsBy(1);
      let peer = createHolder();
      let open = false;
      const reopen = () => {
        peer = createHolder();
        rib.open(paths, [4, 6]);
        open = true;
      };
      for (const one of actions) {
        if (one.kind === 'want') {
          setRoutes(rib, routes, one.routes);
          routes = one.routes;
        } else if (one.kind === 'hear') {
          const step = rib.next(one.limit);
          if (step?.kind === 'changes' && step.keys.length > one.limit) return false;
          if (step) peer.hear(step);
        } else if (one.kind === 'reset') reopen();
        else if (one.kind === 'lose') {
          rib.close();
          open = false;
        } else if (one.kind === 'repath') {
          if (!open) continue;
          paths = pathsBy(one.asn);
          rib.repath(paths);
        } else rib.refresh(one.family, one.enhanced);
        if (open && rib.counts().pending > texts.length) return false;
      }
      if (!open) reopen();
      drain(rib, peer.hear);
      const wanted = [...routes].map(([key, route]) => {
        const attributes = route.byPeer.get(PEER) as RouteAttributes;
        return [key, paths(attributes, key.includes(':') ? 6 : 4)] as const;
      });
      t.deepEqual(new Map([...peer.holds].sort()), new Map(wanted.sort()));
      t.deepEqual(rib.counts(), { announced: wanted.length, pending: 0 });
      const enhanced = peer.marks.filter((mark) => mark.startsWith('begin')).length;
      return peer.marks.filter((mark) => mark.startsWith('endOfRefresh')).length <= enhanced;
    }),
    { numRuns: 500 },
  );
});
