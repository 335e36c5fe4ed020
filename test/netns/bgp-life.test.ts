import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { Router, RouterKind, RouterRoute } from '../../lab/routers/router.ts';
import { ROUTER_KINDS, startRouter } from '../../lab/routers/start-router.ts';
import type { BgpSession } from '../../src/admin/api-bgp.ts';
import { type BgpBox, createBgpBox } from './bgp-box.ts';
import {
  addressedService,
  advertisementManifest,
  BOX_ASN,
  peerManifest,
  poolManifest,
  together,
} from './bgp-manifests.ts';
import { type BgpSite, buildBgpSite } from './bgp-site.ts';
import { until } from './box.ts';

/** What happens to sessions with BIRD, FRR and GoBGP, side by side, in the life of a box. */
const ASN = 65001;
const HOLD_TIME = '3s';
const VIPS = ['198.51.100.1', '2001:db8:100::1'];
const PREFIXES = ['198.51.100.1/32', '2001:db8:100::1/128'];
/**
 * Sessions that never come about, over further addresses of the box and of each router: passwords differ,
 * and the router is of another AS than the box was told.
 */
const MISSPELT_BOX = '10.0.0.200';
const misspelt = (index: number) => `10.0.0.${201 + index}`;
const STRAY_BOX = '10.0.0.210';
const stray = (index: number) => `10.0.0.${211 + index}`;
const GRACEFUL_SHUTDOWN = '65535:0';

let lab: Lab;
let site: BgpSite;
let box: BgpBox;
let routers: readonly Router[];

test.before(async () => {
  lab = createLab();
  site = buildBgpSite(lab, { near: ROUTER_KINDS });
  box = await createBgpBox(lab, site.box, 'bgp: { shutdownWait: 1s }');
  box.write(
    'services',
    together(
      poolManifest('public', ['198.51.100.0/28', '2001:db8:100::/124']),
      advertisementManifest('public', { spec: {} }),
      addressedService('web', VIPS),
    ),
  );
  for (const [index, kind] of ROUTER_KINDS.entries()) {
    box.write(kind, peerOf(kind));
    box.write(`${kind}-others`, together(misspeltPeer(kind, index), strayPeer(kind, index)));
    site.host(kind).ip(...[misspelt, stray].map((one) => `addr add ${one(index)}/24 dev eth0`));
  }
  site.box.ip(...[MISSPELT_BOX, STRAY_BOX].map((address) => `addr add ${address}/24 dev eth0`));
  await box.serve({ web: VIPS });
  const started = ROUTER_KINDS.map((kind, index) =>
    startRouter(kind, lab, site.host(kind), {
      asn: ASN,
      routerId: site.addresses(kind)[0],
      neighbours: [
        { address: site.addresses('box')[0], asn: BOX_ASN },
        {
          address: MISSPELT_BOX,
          localAddress: misspelt(index),
          asn: BOX_ASN,
          password: 'tidegate',
          passive: true,
        },
        { address: STRAY_BOX, localAddress: stray(index), asn: BOX_ASN, passive: true },
      ],
      announce: announcedBy(index),
    }),
  );
  [routers] = await Promise.all([Promise.all(started), box.start()]);
  await everywhere('both prefixes', hasBoth);
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

const announcedBy = (index: number) => [`10.${index + 1}.0.0/16`, `fd0${index + 1}::/64`];

function peerOf(kind: RouterKind, more: Readonly<Record<string, unknown>> = {}): string {
  return peerManifest(kind, {
    spec: {
      peerAddress: site.addresses(kind)[0],
      peerASN: ASN,
      holdTime: HOLD_TIME,
      dualStackAddressFamily: true,
      enableGracefulRestart: true,
      ...more,
    },
  });
}

function misspeltPeer(kind: RouterKind, index: number): string {
  const spec = { peerAddress: misspelt(index), sourceAddress: MISSPELT_BOX, peerASN: ASN };
  return peerManifest(`${kind}-misspelt`, { spec: { ...spec, password: 'Tidegate' } });
}

function strayPeer(kind: RouterKind, index: number): string {
  const spec = { peerAddress: stray(index), sourceAddress: STRAY_BOX, peerASN: 65009 };
  return peerManifest(`${kind}-stray`, { spec });
}

test.serial('what peers announce is shown and goes nowhere', async (t) => {
  for (const [index, kind] of ROUTER_KINDS.entries()) {
    await until(`the prefixes of ${kind}`, async () => {
      const path = `/v1/bgp/received?peer=${kind}`;
      const { items } = await box.get<{ items: readonly { prefix: string }[] }>(path);
      return announcedBy(index).every((each) => items.some(({ prefix }) => prefix === each));
    });
    t.true((await session(kind)).prefixes.received >= 2);
  }
  t.notRegex(site.box.run(['ip', 'route']), /^10\.[123]\.0\.0/m);
});

test.serial('who asks for the routes again gets them again', async (t) => {
  const asking = routers.filter(({ kind }) => kind !== 'gobgp');
  const before = await Promise.all(asking.map(({ kind }) => session(kind)));
  await Promise.all(asking.map((router) => router.refresh(site.addresses('box')[0])));
  for (const [index, router] of asking.entries()) {
    const { messages: was } = before[index] as BgpSession;
    await until(`${router.kind} is answered`, async () => {
      const { messages } = await session(router.kind);
      return (
        messages.refreshesReceived > was.refreshesReceived && messages.updatesSent > was.updatesSent
      );
    });
    t.true(hasBoth(await router.routes()), router.kind);
  }
});

test.serial('a change of one peer touches its session only, and only if it must', async (t) => {
  box.write('frr', peerOf('frr', { connectTime: '2s' }));
  box.write('bird', peerOf('bird', { holdTime: '9s' }));
  await until('the session with BIRD is another', async () => {
    const { established, holdTimeMs, state } = await session('bird');
    return state === 'Established' && established === 2 && holdTimeMs === 9000;
  });
  for (const kind of ['frr', 'gobgp'] as const) t.is((await session(kind)).established, 1);
  box.write('bird', peerOf('bird'));
  await until('BIRD is back', async () => (await session('bird')).established === 3);
  await everywhere('both prefixes', hasBoth);
});

test.serial(
  'the routes of a speaker that dies stay, and none is lost when it is back',
  async (t) => {
    const watches = routers.map(watch);
    await box.stop('SIGKILL');
    await everywhere('stale', (routes) => hasBoth(routes) && routes.every(({ stale }) => stale));
    await sleep(500);
    await box.start();
    await everywhere('fresh', (routes) => hasBoth(routes) && routes.every(({ stale }) => !stale));
    for (const stop of watches) {
      const { kind, looks, without } = await stop();
      t.true(looks > 10, `${kind}: ${looks} looks`);
      t.is(without, 0, `${kind}: ${without} of ${looks} times it had not both`);
    }
  },
);

test.serial('a peer of another AS than expected is refused, and told so', async (t) => {
  for (const router of routers) {
    const name = `${router.kind}-stray`;
    await until(`${router.kind} is refused`, async () =>
      /AS/.test((await session(name)).lastError.sent?.text ?? ''),
    );
    const { lastError, state } = await session(name);
    t.not(state, 'Established');
    t.regex(lastError.sent?.text ?? '', /65001.*65009/);
    await until(`${router.kind} says why`, async () => {
      const seen = (await router.sessions()).find(({ neighbour }) => neighbour === STRAY_BOX);
      return /peer.AS|2\/2|sent a NOTIFICATION/i.test(seen?.lastError ?? '');
    });
  }
});

test.serial('a wrong password is suspected when a peer does not answer', async (t) => {
  for (const kind of ROUTER_KINDS) {
    const name = `${kind}-misspelt`;
    await until(`${kind} does not answer`, async () =>
      /password/.test((await session(name)).lastError.transport?.text ?? ''),
    );
    t.not((await session(name)).state, 'Established');
  }
});

test.serial('a peer that is removed forgets the routes at once', async (t) => {
  for (const kind of ROUTER_KINDS) box.write(kind, '');
  await everywhere('nothing', (routes) => routes.length === 0);
  for (const kind of ROUTER_KINDS) box.write(kind, peerOf(kind));
  await everywhere('both prefixes', hasBoth);
  t.pass();
});

test.serial('a peer that falls silent is given up when its hold time is over', async (t) => {
  for (const router of routers) router.pause();
  for (const kind of ROUTER_KINDS) {
    await until(`${kind} is given up`, async () => (await session(kind)).state !== 'Established');
    t.regex((await session(kind)).lastError.sent?.text ?? '', /hold time/);
  }
  for (const router of routers) router.resume();
  await everywhere('fresh', (routes) => hasBoth(routes) && routes.every(({ stale }) => !stale));
});

test.serial('a drained box does the same, keeps its sessions, and comes back', async (t) => {
  const before = await Promise.all(ROUTER_KINDS.map(session));
  box.write('drain', DRAINED);
  await everywhere('marked', (routes) => hasBoth(routes) && routes.every(isMarked));
  await everywhere('nothing', (routes) => routes.length === 0);
  box.write('drain', '');
  await everywhere('both, as ever', (routes) => hasBoth(routes) && !routes.some(isMarked));
  for (const [index, kind] of ROUTER_KINDS.entries())
    t.is((await session(kind)).established, (before[index] as BgpSession).established);
});

const DRAINED = JSON.stringify({
  apiVersion: 'tidegate.io/v1alpha1',
  kind: 'EdgeNode',
  metadata: { name: 'box' },
  spec: { drain: true },
});

test.serial(
  'who stops asks for other routes first, then withdraws, and says farewell',
  async (t) => {
    const stopped = box.stop('SIGTERM');
    await everywhere('marked', (routes) => hasBoth(routes) && routes.every(isMarked));
    // Somebody is impatient: the routes must not stay behind because of that.
    const again = box.stop('SIGTERM');
    await everywhere('nothing', (routes) => routes.length === 0);
    await Promise.all([stopped, again]);
    for (const router of routers) {
      const [seen] = await router.sessions();
      t.false(seen?.established);
      if (router.kind !== 'gobgp') t.regex(seen?.lastError ?? '', /shutdown|Cease/i, router.kind);
    }
    t.regex(box.output(), /"Stopped"|stopped/i);
  },
);

function isMarked({ communities }: RouterRoute): boolean {
  return communities.includes(GRACEFUL_SHUTDOWN);
}

function hasBoth(routes: readonly RouterRoute[]): boolean {
  return PREFIXES.every((each) => routes.some(({ prefix }) => prefix === each));
}

async function everywhere(
  what: string,
  condition: (routes: readonly RouterRoute[]) => boolean,
): Promise<void> {
  await Promise.all(
    routers.map((router) =>
      until(`${router.kind}: ${what}`, async () => condition(await router.routes())).catch(
        async (error: Error) => {
          const seen = [await router.routes(), await router.sessions(), router.log()];
          throw new Error(`${error.message}: ${JSON.stringify(seen, null, 1)}`);
        },
      ),
    ),
  );
}

async function session(peer: string): Promise<BgpSession> {
  const path = `/v1/bgp/sessions?peer=${peer}`;
  const { items } = await box.get<{ readonly items: readonly BgpSession[] }>(path);
  if (items[0] === undefined) throw new Error(`The box has no session with ${peer}`);
  return items[0];
}

/** Looks at a router's table all the time, until told to stop. */
function watch(router: Router): () => Promise<{ kind: string; looks: number; without: number }> {
  let stopped = false;
  let [looks, without] = [0, 0];
  const done = (async () => {
    while (!stopped) {
      looks += 1;
      if (!hasBoth(await router.routes())) without += 1;
      await sleep(20);
    }
  })();
  return async () => {
    stopped = true;
    await done;
    return { kind: router.kind, looks, without };
  };
}
