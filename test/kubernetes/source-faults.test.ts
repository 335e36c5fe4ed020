import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { Behaviour } from '../../lab/kubernetes/fault-proxy.ts';
import {
  answer,
  answerLost,
  cutAfter,
  halfLine,
  hang,
  loginPage,
  noise,
  otherKind,
  refusal,
  toServer,
} from '../../lab/kubernetes/faults.ts';
import type { Snapshot } from '../../src/domain/snapshot.ts';
import { leapClock } from '../support/leap-clock.ts';
import {
  addressOf,
  BOX_ROLES,
  has,
  hasPort,
  isRead,
  type SourceWorld,
  settle,
  startSourceWorld,
} from './source-world.ts';

/** A source in front of whatever can be wrong with an API server. */
const HOUR_MS = 3_600_000;
const SAID = {
  type: 'tidegate.io/Serving',
  status: 'False',
  reason: 'Test',
  message: '',
  sinceMs: 0,
} as const;

let world: SourceWorld;

test.before(async () => {
  world = await startSourceWorld();
});

test.afterEach.always(() => world.proxy.clear());
test.after.always(() => world?.stop());

const FAULTS: readonly (readonly [string, Behaviour])[] = [
  ['answers 500', refusal(500, 'InternalError')],
  ['answers 429', refusal(429, 'TooManyRequests', { 'retry-after': '1' })],
  ['answers 403', refusal(403, 'Forbidden')],
  ['answers 401', refusal(401, 'Unauthorized')],
  ['answers 404', answer(404, '404 page not found')],
  ['answers garbage', noise],
  ['answers half a line', halfLine],
  ['breaks off after 700 bytes', cutAfter(700)],
  ['loses its answers', answerLost],
  ['answers with a login page', loginPage],
  ['answers with an empty list of something else', otherKind],
  ['answers with nothing, and calls it a success', answer(200, {})],
];

for (const [index, [what, behaviour]] of FAULTS.entries()) {
  test.serial(`an API server that ${what} changes nothing, and is caught up with`, async (t) => {
    const { source, log, until } = await world.open(t);
    const before = await until(isRead);
    world.proxy.rule(/^/, behaviour);
    world.proxy.reset();
    await world.setPort('web', 1000 + index);
    await settle(() => source.state().problems.length > 0, log);
    await sleep(300);
    t.is(source.current(), before);
    t.true(source.state().synced);
    world.proxy.clear();
    await until(hasPort('web', 1000 + index));
    await settle(() => source.state().problems.length === 0, log);
    t.false(source.current().remembered);
  });
}

test.serial(
  'an API server that is away for an hour changes nothing, and is caught up with',
  async (t) => {
    const clock = leapClock();
    const { source, log, until } = await world.open(t, { clock });
    const before = await until(isRead);
    const comeBack = await world.goAway(t);
    await world.setPort('web', 2000);
    await settle(() => source.state().problems.length > 0, log);
    for (let passedMs = 0; passedMs < HOUR_MS; passedMs += 20_000) {
      clock.leap(20_000);
      await sleep(5);
    }
    t.is(source.current(), before);
    t.true(source.state().troubleMs >= HOUR_MS);
    // Once when it began, and once a minute.
    const warnings = log.lines.filter(({ level }) => level === 'warn').length;
    t.true(warnings >= 2 && warnings <= 62, `${warnings}`);
    await comeBack();
    await until(hasPort('web', 2000));
    await settle(() => source.state().troubleMs === 0, log);
    t.true(
      log.lines.some(({ message, fields }) => /again$/.test(message) && Number(fields['ms']) > 0),
    );
  },
);

test.serial('links that die silently are noticed, and nothing is lost', async (t) => {
  const { source, log, until } = await world.open(t);
  const before = await until(isRead);
  world.proxy.rule(/^/, hang);
  world.proxy.freeze();
  await world.setPort('web', 2001);
  await settle(() => source.state().problems.length > 0, log);
  t.is(source.current(), before);
  world.proxy.clear();
  await until(hasPort('web', 2001));
});

test.serial('an API server that is restarted changes nothing', async (t) => {
  const { source, until } = await world.open(t);
  const before = await until(isRead);
  await world.plane.restartApiServer();
  await world.setPort('web', 2002);
  const after = await until(hasPort('web', 2002));
  t.is(after.services.get('default/shop'), before.services.get('default/shop'));
  t.is(after.endpoints, before.endpoints);
  await settle(() => source.state().problems.length === 0);
});

test.serial('an older API server behind the same address takes nothing away', async (t) => {
  const older = await world.plane.secondApiServer(await world.plane.snapshotEtcd());
  t.teardown(() => older.stop());
  await world.addService('younger', '192.0.2.3', ['10.1.0.4']);
  await world.setPort('web', 2003);
  const { source, until } = await world.open(t);
  const before = await until(has('younger'));
  const seen: Snapshot[] = [];
  t.teardown(source.subscribe((snapshot) => seen.push(snapshot)));
  for (const match of [/watch=/, /^/]) {
    const back = world.proxy.rule(match, toServer(older.url));
    world.proxy.reset();
    await sleep(1000);
    back();
    world.proxy.reset();
    await sleep(500);
  }
  await world.setPort('shop', 2004);
  const after = await until(hasPort('shop', 2004));
  t.is(addressOf(after, 'younger'), '192.0.2.3');
  t.is(after.endpoints, before.endpoints);
  for (const snapshot of seen) t.true(has('younger')(snapshot) && hasPort('web', 2003)(snapshot));
  await world.removeService('younger');
  await until((now) => !has('younger')(now));
});

test.serial('another cluster behind the same address is not taken for ours', async (t) => {
  const empty = `${world.plane.folder}/no-data`;
  mkdirSync(empty, { recursive: true });
  const other = await world.plane.secondApiServer(empty);
  t.teardown(() => other.stop());
  const { source, log, until } = await world.open(t);
  const before = await until(isRead);
  world.proxy.rule(/^/, toServer(other.url));
  world.proxy.reset();
  await settle(
    () => source.state().problems.some(({ message }) => /another cluster/.test(message)),
    log,
  );
  await sleep(500);
  t.is(source.current(), before);
  world.proxy.clear();
  world.proxy.reset();
  await world.setPort('web', 2005);
  await until(hasPort('web', 2005));
});

test.serial(
  'an etcd put back in time takes no address; what it lost is written again',
  async (t) => {
    const clock = leapClock();
    await world.addService('stays', '192.0.2.5', ['10.1.0.5']);
    await world.addService('bare', '');
    const snapshot = await world.plane.snapshotEtcd();
    const { source, until } = await world.open(t, { roles: ['controller', ...BOX_ROLES], clock });
    await until(has('stays'));
    await settle(() => source.leadership.leads());
    await world.addService('bare', '192.0.2.6');
    await world.addService('unborn', '192.0.2.7');
    await world.removeService('stays');
    await until((now) => addressOf(now, 'bare') && addressOf(now, 'unborn') && !has('stays')(now));
    const seen: Snapshot[] = [];
    t.teardown(source.subscribe((now) => seen.push(now)));
    await world.plane.restoreEtcd(snapshot);
    await until((now) => {
      clock.leap(100);
      return has('stays')(now) && !has('unborn')(now);
    });
    await settle(async () => (await world.addressesOf('bare')).length > 0);
    t.deepEqual(await world.addressesOf('bare'), ['192.0.2.6']);
    t.true(seen.length > 0);
    for (const each of seen) t.is(addressOf(each, 'bare'), '192.0.2.6');
  },
);

test.serial('the lead is given up at a stop, though writes hang', async (t) => {
  const { source } = await world.open(t, { roles: ['controller'] });
  await settle(() => source.leadership.leads());
  world.proxy.rule(/PATCH .*\/services\//, hang);
  const changed = new Map(
    [...source.current().statuses].map(([key, status]) => [key, { ...status, conditions: [SAID] }]),
  );
  const written = t.throwsAsync(source.writeStatuses(changed), { message: /broken off/ });
  await sleep(200);
  await source.stop();
  await written;
  const path = '/apis/coordination.k8s.io/v1/namespaces/tidegate-system/leases/tidegate-controller';
  const { spec } = await world.plane.must('GET', path);
  t.is(spec.holderIdentity, '');
});
