import test, { type ExecutionContext } from 'ava';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { Neighbour, Router, RouterKind, RouterRoute } from '../../lab/routers/router.ts';
import { ROUTER_KINDS, startRouter } from '../../lab/routers/start-router.ts';
import { type BgpBox, createBgpBox } from './bgp-box.ts';
import {
  addressedService,
  advertisementManifest,
  BOX_ASN,
  communityManifest,
  passwordManifest,
  peerManifest,
  poolManifest,
  together,
} from './bgp-manifests.ts';
import { type BgpSite, BOX_SIX, buildBgpSite } from './bgp-site.ts';
import { until } from './box.ts';

/**
 * One box and nine routers, three of each program: `outer` of another AS, with a password and on this link
 * (RFC 5082), `inner` of the same AS over IPv6 with IPv4 over IPv6 next hops, `far` behind a router, which
 * connects by itself and knows the box by another AS (localASN).
 */
const PLACES = ['outer', 'inner', 'far'] as const;
type Place = (typeof PLACES)[number];

const ALL = ROUTER_KINDS.flatMap((kind) => PLACES.map((place) => ({ kind, place })));
const ASN: Readonly<Record<Place, number>> = { outer: 65001, inner: BOX_ASN, far: 4_200_000_001 };
/** The box's AS, as the peer knows it. */
const BOX_ASN_AT: Readonly<Record<Place, number>> = { outer: BOX_ASN, inner: BOX_ASN, far: 65077 };
const password = (kind: RouterKind) => `secret-of-${kind}`;

let lab: Lab;
let site: BgpSite;
let box: BgpBox;
let routers: ReadonlyMap<string, Router>;

const nameOf = (kind: RouterKind, place: Place) => `${kind}-${place}`;
const at = (place: Place) => ALL.filter((each) => each.place === place);
const router = (kind: RouterKind, place: Place) => routers.get(nameOf(kind, place)) as Router;

test.before(async () => {
  lab = createLab();
  const names = (place: Place) => at(place).map(({ kind }) => nameOf(kind, place));
  site = buildBgpSite(lab, {
    near: names('outer'),
    sixOnly: names('inner'),
    far: names('far'),
  });
  box = await createBgpBox(lab, site.box, 'bgp: { shutdownWait: 500ms }');
  box.write('pools', POOLS);
  for (const { kind, place } of ALL) box.write(nameOf(kind, place), peerOf(kind, place));
  box.write('services', SERVICES);
  await box.serve(SERVED);
  const started = ALL.map(async ({ kind, place }) => {
    const name = nameOf(kind, place);
    const each = await startRouter(kind, lab, site.host(name), {
      asn: ASN[place],
      routerId: site.addresses(name)[0],
      neighbours: [neighbourOf(kind, place)],
    });
    return [name, each] as const;
  });
  const [all] = await Promise.all([Promise.all(started), box.start()]);
  routers = new Map(all);
});

let failed = false;

test.afterEach.always((t) => {
  failed ||= !t.passed;
});

test.after.always(async (t) => {
  await box?.close();
  if (failed && box) t.log(box.output());
  lab?.remove();
});

const POOLS = together(
  poolManifest('plain', ['198.51.100.0/28', '2001:db8:100::/124']),
  poolManifest('tagged', ['198.51.100.16/28', '2001:db8:100::10/124']),
  poolManifest('summed', ['198.51.100.32/28', '2001:db8:100::20/124']),
  advertisementManifest('plain', { spec: { ipAddressPools: ['plain'] } }),
  advertisementManifest('tagged', {
    spec: {
      ipAddressPools: ['tagged'],
      localPref: 150,
      communities: ['64500:7', 'gold', 'large:4200000000:1:2', 'no-export'],
    },
    annotations: {
      med: '50',
      'as-path-prepend': '2',
      'extended-communities': 'rt:64500:7,soo:192.0.2.1:9',
    },
  }),
  advertisementManifest('summed', {
    spec: { ipAddressPools: ['summed'], aggregationLength: 28, aggregationLengthV6: 124 },
  }),
  communityManifest('names', { gold: '64500:777' }),
  ...ROUTER_KINDS.map((kind) => passwordManifest(`${kind}-password`, password(kind))),
);

const SERVED = {
  plain: ['198.51.100.1', '2001:db8:100::1'],
  tagged: ['198.51.100.17', '2001:db8:100::11'],
  'summed-1': ['198.51.100.33', '2001:db8:100::21'],
  'summed-2': ['198.51.100.34', '2001:db8:100::22'],
};

const SERVICES = together(
  ...Object.entries(SERVED).map(([name, addresses]) => addressedService(name, addresses)),
);

function peerOf(kind: RouterKind, place: Place): string {
  const [v4, v6] = site.addresses(nameOf(kind, place));
  const all = { peerASN: ASN[place], dualStackAddressFamily: true, enableGracefulRestart: true };
  const name = nameOf(kind, place);
  switch (place) {
    case 'outer':
      return peerManifest(name, {
        spec: { ...all, peerAddress: v4, passwordSecret: { name: `${kind}-password` } },
        annotations: { 'ttl-security': '1' },
      });
    case 'inner':
      return peerManifest(name, { spec: { ...all, peerAddress: v6 } });
    case 'far':
      return peerManifest(name, {
        spec: { ...all, peerAddress: v4, ebgpMultiHop: true, localASN: BOX_ASN_AT.far },
        annotations: { passive: 'true' },
      });
  }
}

function neighbourOf(kind: RouterKind, place: Place): Neighbour {
  const [v4] = site.addresses('box');
  switch (place) {
    case 'outer':
      return { address: v4, asn: BOX_ASN, password: password(kind), ttlSecurityHops: 1 };
    case 'inner':
      return { address: BOX_SIX, asn: BOX_ASN, extendedNextHop: true };
    case 'far':
      return { address: v4, asn: BOX_ASN_AT.far, multihop: 3 };
  }
}

const PREFIXES = {
  plain: ['198.51.100.1/32', '2001:db8:100::1/128'],
  tagged: ['198.51.100.17/32', '2001:db8:100::11/128'],
  summed: ['198.51.100.32/28', '2001:db8:100::20/124'],
} as const;
const ALL_PREFIXES = Object.values(PREFIXES).flat().sort();

async function routesAt(kind: RouterKind, place: Place): Promise<readonly RouterRoute[]> {
  return router(kind, place).routes();
}

async function routeAt(kind: RouterKind, place: Place, prefix: string): Promise<RouterRoute> {
  const route = (await routesAt(kind, place)).find((each) => each.prefix === prefix);
  if (route === undefined) throw new Error(`${nameOf(kind, place)} has no route to ${prefix}`);
  return route;
}

for (const { kind, place } of ALL) {
  test.serial(
    `${kind}, ${place}: learns all prefixes of both families, and no others`,
    async (t) => {
      await untilRoutes(t, kind, place, ALL_PREFIXES);
      for (const [index, prefix] of PREFIXES.plain.entries()) {
        const route = await routeAt(kind, place, prefix);
        t.deepEqual(route.asPath, place === 'inner' ? [] : [BOX_ASN_AT[place]]);
        t.is(route.origin, 'IGP');
        t.is(route.nextHops[0], place === 'inner' ? BOX_SIX : site.addresses('box')[index]);
        t.deepEqual(route.communities, []);
        if (place === 'inner') t.is(route.localPref, 100);
      }
    },
  );

  test.serial(
    `${kind}, ${place}: sees communities of all kinds and what goes with them`,
    async (t) => {
      for (const prefix of PREFIXES.tagged) {
        const route = await routeAt(kind, place, prefix);
        t.deepEqual([...route.communities].sort(), ['64500:7', '64500:777', '65535:65281']);
        t.deepEqual(route.largeCommunities, ['4200000000:1:2']);
        t.deepEqual([...route.extendedCommunities].sort(), ['rt:64500:7', 'soo:192.0.2.1:9']);
        t.is(route.med, 50);
        t.deepEqual(route.asPath, place === 'inner' ? [] : Array(3).fill(BOX_ASN_AT[place]));
        if (place === 'inner') t.is(route.localPref, 150);
      }
    },
  );
}

test.serial(
  'nobody but its peers is let in by the box, which listens for some of them',
  async (t) => {
    const knock = 'exec 3<>/dev/tcp/10.0.0.1/179 && echo let in';
    const command = ['timeout', '1', 'bash', '-c', knock];
    t.notRegex((await site.host('hop').finish(command)).stdout, /let in/);
    t.regex(site.box.run(['ss', '-ltn']), /:179 /);
  },
);

async function untilRoutes(
  t: ExecutionContext,
  kind: RouterKind,
  place: Place,
  prefixes: readonly string[],
): Promise<void> {
  const wanted = [...prefixes].sort().join(' ');
  const seen = async () =>
    (await routesAt(kind, place))
      .map(({ prefix }) => prefix)
      .sort()
      .join(' ');
  await until(`${nameOf(kind, place)} has ${wanted}`, async () => (await seen()) === wanted).catch(
    async (error) => {
      t.log(await seen(), await router(kind, place).sessions(), router(kind, place).log());
      throw error;
    },
  );
}
