import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Host } from '../../lab/host.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import { startBird } from '../../lab/routers/bird.ts';
import { startFrr } from '../../lab/routers/frr.ts';
import { startGobgp } from '../../lab/routers/gobgp.ts';
import type { Neighbour, Router, RouterKind, RouterRoute } from '../../lab/routers/router.ts';

/** What the lab says of the routers is what they say of each other: all three, each with each. */
const START = { bird: startBird, frr: startFrr, gobgp: startGobgp };
const KINDS: readonly RouterKind[] = ['bird', 'frr', 'gobgp'];
const asnOf = (kind: RouterKind) => 64501 + KINDS.indexOf(kind);
const addressOf = (kind: RouterKind) => `10.0.0.${1 + KINDS.indexOf(kind)}`;
const announcedBy = (kind: RouterKind) => {
  const number = 1 + KINDS.indexOf(kind);
  return [`10.${number}.0.0/24`, `fd0${number}::/64`];
};

test.serial('three programs learn from each other, and tell what they learnt', async (t) => {
  const lab = createLab();
  t.teardown(lab.remove);
  const hosts = buildLan(lab);
  const neighboursOf = (kind: RouterKind): Neighbour[] =>
    KINDS.filter((other) => other !== kind).map((other) => {
      const bfd =
        kind !== 'gobgp' && other !== 'gobgp' ? { intervalMs: 50, multiplier: 3 } : undefined;
      return { address: addressOf(other), asn: asnOf(other), ...(bfd && { bfd }) };
    });
  const routers = await Promise.all(
    KINDS.map((kind) =>
      START[kind](lab, hosts.get(kind) as Host, {
        asn: asnOf(kind),
        routerId: addressOf(kind),
        neighbours: neighboursOf(kind),
        announce: announcedBy(kind),
        installs: true,
      }),
    ),
  );
  for (const router of routers) {
    const others = KINDS.filter((other) => other !== router.kind);
    const direct = () =>
      router.routes().then((all) => all.filter(({ asPath }) => asPath.length === 1));
    await until(t, router, async () => (await direct()).length === 4);
    for (const other of others) {
      const from = (await direct()).filter((route) => route.from === addressOf(other));
      t.deepEqual(from.map(({ prefix }) => prefix).sort(), announcedBy(other), router.kind);
      for (const route of from) told(t, route, other);
    }
    const sessions = await router.sessions();
    t.deepEqual(sessions.map(({ neighbour }) => neighbour).sort(), others.map(addressOf));
    t.true(sessions.every(({ established }) => established));
    if (router.kind === 'gobgp') continue;
    await until(t, router, async () => (await router.bfdSessions()).some(({ up }) => up));
  }
});

function told(t: ExecutionContext, route: RouterRoute, by: RouterKind) {
  t.deepEqual(route.asPath, [asnOf(by)]);
  t.is(route.origin, by === 'gobgp' ? 'incomplete' : 'IGP');
  t.false(route.stale);
  t.true(route.nextHops.length > 0);
}

function buildLan(lab: Lab): ReadonlyMap<RouterKind, Host> {
  const lan = lab.host('switch');
  lan.ip('link add lan type bridge', 'link set lan up');
  return new Map(
    KINDS.map((kind, index) => {
      const host = lab.host(kind);
      const addresses = [`10.0.0.${index + 1}/24`, `fd00::${index + 1}/64`];
      lab.cable({ host, name: 'eth0', addresses }, { host: lan, name: kind });
      lan.ip(`link set ${kind} master lan`);
      return [kind, host] as const;
    }),
  );
}

async function until(t: ExecutionContext, router: Router, condition: () => Promise<boolean>) {
  const deadlineMs = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) {
      t.log(JSON.stringify(await router.routes(), null, 1));
      t.log(JSON.stringify(await router.sessions(), null, 1));
      t.log(JSON.stringify(await router.bfdSessions(), null, 1));
      t.log(router.log());
      throw new Error(`${router.kind}: what was waited for did not happen`);
    }
    await sleep(20);
  }
}
