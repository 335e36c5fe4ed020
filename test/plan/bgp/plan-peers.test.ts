import { inspect } from 'node:util';
import test from 'ava';
import type { BgpPeer } from '../../../src/domain/bgp/bgp-peer.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import type { ObjectMeta } from '../../../src/domain/object.ts';
import type { Secret } from '../../../src/domain/secret.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../../src/domain/snapshot.ts';
import type { PlannedPeer } from '../../../src/plan/bgp/planned-peer.ts';
import { type BgpPlan, planBgp } from '../../../src/plan/bgp.ts';
import { bfdProfile, bgpPeer, passwordSecret } from '../../support/bgp-objects.ts';
import { edgeNode } from '../../support/objects.ts';

const SETTINGS = {
  loadBalancer: { class: 'tidegate.io/tidegate', handleUnclassed: true },
  box: { name: 'edge-1', labels: { rack: 'a' } },
};

function byKey<T extends ObjectMeta>(...objects: readonly T[]): KeyedMap<T> {
  return KeyedMap.from(objects.map((object) => [object.key, object]));
}

function plan(fields: Partial<Snapshot>, previous?: BgpPlan): BgpPlan {
  const snapshot = { ...EMPTY_SNAPSHOT, revision: 1, ...fields };
  return planBgp(previous, snapshot, KeyedMap.empty(), SETTINGS, false);
}

function planned(peer: BgpPeer, fields: Partial<Snapshot> = {}): PlannedPeer | undefined {
  return plan({ bgpPeers: byKey(peer), ...fields }).peers.get(peer.key);
}

const TOR = { password: { kind: 'secret', name: 'tor' } } as const;

test('a box speaks to the peers whose nodeSelectors match it', (t) => {
  const rack = (value: string) => ({
    nodeSelectors: [[{ key: 'rack', operator: 'In' as const, values: [value] }]],
  });
  const bgpPeers = byKey(
    bgpPeer('all', '192.0.2.1'),
    bgpPeer('a', '192.0.2.2', rack('a')),
    bgpPeer('b', '192.0.2.3', rack('b')),
  );
  const names = (edgeNodes: Snapshot['edgeNodes']) =>
    [...plan({ bgpPeers, edgeNodes }).peers.values()].map(({ peer }) => peer.name).sort();
  t.deepEqual(names(KeyedMap.empty()), ['a', 'all']);
  t.deepEqual(names(byKey(edgeNode('edge-1', { labels: { rack: 'b' } }))), ['all', 'b']);
});

test('a password comes from the peer or its Secret, and nothing prints it', (t) => {
  const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);
  t.is(planned(bgpPeer('r', '192.0.2.1'))?.password, undefined);
  const value = () => new TextEncoder().encode('inline');
  const inline = planned(bgpPeer('r', '192.0.2.1', { password: { kind: 'inline', value } }));
  t.is(text(inline?.password?.()), 'inline');
  const secrets = byKey(passwordSecret('tor', 'hunter2'), passwordSecret('bfd', 'key'));
  const both = bgpPeer('r', '192.0.2.1', { ...TOR, bfdPasswordSecret: 'bfd' });
  const resolved = planned(both, { secrets });
  t.is(text(resolved?.password?.()), 'hunter2');
  t.is(text(resolved?.bfdKey?.()), 'key');
  t.is(resolved?.obstacle, '');
  t.false(inspect(resolved, { depth: 9, showHidden: true }).includes('hunter2'));
});

test('a session is not begun while its password cannot be had, and it is said why', (t) => {
  const peer = bgpPeer('r', '192.0.2.1', TOR);
  const cases: [Secret | undefined, RegExp][] = [
    [undefined, /^There is no Secret "metallb-system\/tor"$/],
    [passwordSecret('tor', 'x', { type: 'Opaque' }), /is of type "Opaque"$/],
    [passwordSecret('tor', undefined), /has no "password"$/],
    [passwordSecret('tor', ''), /has no "password"$/],
    [passwordSecret('tor', 'x'.repeat(81)), /has 81 octets$/],
  ];
  for (const [secret, expected] of cases) {
    const result = planned(peer, { secrets: byKey(...(secret ? [secret] : [])) });
    t.regex(result?.obstacle ?? '', expected);
    t.is(result?.password, undefined);
    t.false(result?.refused);
  }
  const refused = {
    ...{ severity: 'error' as const, message: 'It cannot be read', remedy: 'Name it' },
    object: { kind: 'Secret', key: 'metallb-system/tor' },
  };
  const unread = planned(peer, { problems: [refused] });
  t.is(unread?.obstacle, 'Secret "metallb-system/tor" cannot be used');
  t.is(planned(peer, { secrets: byKey(passwordSecret('tor', 'x'.repeat(80))) })?.obstacle, '');
  const bfd = bgpPeer('r', '192.0.2.1', { bfdPasswordSecret: 'tor' });
  const long = byKey(passwordSecret('tor', 'x'.repeat(21)));
  t.regex(planned(bfd, { secrets: long })?.obstacle ?? '', /has 21 octets$/);
  const forgotten = bgpPeer('r', '192.0.2.1', { password: { kind: 'forgotten' } });
  t.regex(planned(forgotten)?.obstacle ?? '', /not kept over a restart/);
  t.regex(planned(peer, { remembered: true })?.obstacle ?? '', /not kept over a restart/);
});

test('a BFDProfile is found by its name, and the session goes on without one', (t) => {
  const peer = bgpPeer('r', '192.0.2.1', { bfdProfile: 'fast' });
  const profile = bfdProfile('fast');
  t.is(planned(peer, { bfdProfiles: byKey(profile) })?.bfd, profile);
  t.like(planned(peer), { bfd: undefined, obstacle: '' });
});

test('of peers that cannot be on one box the older has its session, the other none', (t) => {
  const remote = { kind: 'interface', name: 'eth1' } as const;
  const cases: [Partial<BgpPeer>, string, Partial<BgpPeer>, RegExp | undefined][] = [
    [{}, '192.0.2.1', {}, /^BGPPeer "b" speaks to "192\.0\.2\.1" already$/],
    [{ remote }, '192.0.2.2', { remote }, /^BGPPeer "b" speaks to "eth1" already$/],
    [{}, '192.0.2.1', { vrf: 'red' }, undefined],
    [{}, '192.0.2.2', { vrf: 'red', myAsn: 64502 }, undefined],
    [{}, '192.0.2.2', { myAsn: 64502 }, /"64502", and BGPPeer "b" says "64500"/],
    [{}, '192.0.2.2', { localAsn: 64502 }, undefined],
    [
      {},
      '192.0.2.2',
      { routerId: 0xc000_0201, vrf: 'red' },
      /^It has "192\.0\.2\.1", and BGPPeer "b" has none/,
    ],
  ];
  for (const [first, at, second, expected] of cases) {
    const older = bgpPeer('b', '192.0.2.1', { createdMs: 1, ...first });
    const newer = bgpPeer('a', at, { createdMs: 2, ...second });
    const { peers } = plan({ bgpPeers: byKey(older, newer) });
    t.like(peers.get(older.key), { refused: false, obstacle: '' });
    t.is(peers.get(newer.key)?.refused, expected !== undefined);
    t.regex(peers.get(newer.key)?.obstacle ?? '', expected ?? /^$/);
  }
});

test('only peers that changed are other objects', (t) => {
  const secrets = byKey(passwordSecret('tor', 'x'), passwordSecret('bfd', 'y'));
  const fields = {
    secrets,
    bfdProfiles: byKey(bfdProfile('fast')),
    bgpPeers: byKey(
      bgpPeer('plain', '192.0.2.1'),
      bgpPeer('md5', '192.0.2.2', TOR),
      bgpPeer('fast', '192.0.2.3', { bfdProfile: 'fast', bfdPasswordSecret: 'bfd' }),
    ),
  };
  const first = plan(fields);
  const changes = (other: Partial<Snapshot>) =>
    plan({ ...fields, ...other }, first)
      .peers.changedKeys(first.peers)
      .map((key) => key.replace('metallb-system/', ''))
      .sort();
  t.deepEqual(changes({}), []);
  t.deepEqual(changes({ revision: 2, secrets: secrets.with('x/y', passwordSecret('z', 'z')) }), []);
  const put = <T extends ObjectMeta>(map: KeyedMap<T>, object: T) => map.with(object.key, object);
  t.deepEqual(changes({ secrets: put(secrets, passwordSecret('tor', 'z')) }), ['md5']);
  t.deepEqual(changes({ secrets: put(secrets, passwordSecret('bfd', 'z')) }), ['fast']);
  t.deepEqual(changes({ secrets: KeyedMap.empty() }), ['fast', 'md5']);
  t.deepEqual(changes({ remembered: true }), []);
  t.deepEqual(changes({ bfdProfiles: byKey(bfdProfile('fast', { passive: true })) }), ['fast']);
  t.deepEqual(changes({ bgpPeers: fields.bgpPeers.without('metallb-system/md5') }), ['md5']);
  const twin = bgpPeer('a', '192.0.2.1');
  t.deepEqual(changes({ bgpPeers: put(fields.bgpPeers, twin) }), ['a', 'plain']);
});

test('a BFDProfile that is deleted stays in force while the peer names it, and no longer', (t) => {
  const peer = bgpPeer('r', '192.0.2.1', { bfdProfile: 'fast' });
  const fast = bfdProfile('fast');
  const first = plan({ bgpPeers: byKey(peer), bfdProfiles: byKey(fast) });
  const without = plan({ bgpPeers: byKey(peer) }, first);
  t.is(without.peers.get(peer.key), first.peers.get(peer.key));
  t.is(plan({ bgpPeers: byKey(peer) }).peers.get(peer.key)?.bfd, undefined);
  const other = { ...peer, bfdProfile: 'slow' };
  t.is(plan({ bgpPeers: byKey(other) }, without).peers.get(peer.key)?.bfd, undefined);
});
