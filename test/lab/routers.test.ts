import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { createLab } from '../../lab/lab.ts';
import { buildLan } from '../../lab/lan.ts';
import type { Neighbour, Router, RouterKind, RouterRoute } from '../../lab/routers/router.ts';
import { ROUTER_KINDS, startRouter } from '../../lab/routers/start-router.ts';

/** What the lab says of the routers is what they say of each other: all three, each with each. */
const numberOf = (kind: RouterKind) => 1 + ROUTER_KINDS.indexOf(kind);
const asnOf = (kind: RouterKind) => 64500 + numberOf(kind);
const announcedBy = (kind: RouterKind) => {
  return [`10.${numberOf(kind)}.0.0/24`, `fd0${numberOf(kind)}::/64`];
};

test('three programs learn from each other, and tell what they learnt', async (t) => {
  const lab = createLab();
  t.teardown(lab.remove);
  const lan = buildLan(lab, ROUTER_KINDS);
  const addressOf = (kind: RouterKind) => lan.addresses(kind)[0];
  const neighbour = (kind: RouterKind, other: RouterKind): Neighbour => {
    const bfd = { intervalMs: 50, multiplier: 3 };
    const both = { address: addressOf(other), asn: asnOf(other) };
    return [kind, other].includes('gobgp') ? both : { ...both, bfd };
  };
  const routers = await Promise.all(
    ROUTER_KINDS.map((kind) =>
      startRouter(kind, lab, lan.host(kind), {
        asn: asnOf(kind),
        routerId: addressOf(kind),
        neighbours: ROUTER_KINDS.filter((it) => it !== kind).map((it) => neighbour(kind, it)),
        announce: announcedBy(kind),
        installs: true,
      }),
    ),
  );
  for (const router of routers) {
    const others = ROUTER_KINDS.filter((other) => other !== router.kind);
    const direct = async () => (await router.routes()).filter(({ asPath }) => asPath.length === 1);
    await until(t, router, async () => (await direct()).length === 4);
    for (const other of others) {
      const from = (await direct()).filter((route) => route.from === addressOf(other));
      t.deepEqual(from.map(({ prefix }) => prefix).sort(), announcedBy(other), router.kind);
      for (const route of from) told(t, route, other);
    }
    const sessions = await router.sessions();
    t.deepEqual(sessions.map((each) => each.neighbour).sort(), others.map(addressOf));
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

async function until(t: ExecutionContext, router: Router, condition: () => Promise<boolean>) {
  const deadlineMs = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) {
      t.log(JSON.stringify([await router.routes(), await router.sessions()], null, 1));
      t.log(router.log());
      throw new Error(`${router.kind}: what was waited for did not happen`);
    }
    await sleep(20);
  }
}
