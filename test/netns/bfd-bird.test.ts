import test from 'ava';
import { startBird } from '../../lab/routers/bird.ts';
import type { Router } from '../../lab/routers/router.ts';
import { neighbours, routerBetween } from './bfd-site.ts';
import type { ScriptedSession } from './bfd-speaker.ts';
import { deafen, undeafen, watchFrom, watchOne } from './bfd-watcher.ts';

const UP = { state: 'Up', remoteState: 'Up' } as const;
const WAIT_MS = 10_000;

/** `protocol bfd` of BIRD with these lines for its interfaces and these neighbours. */
function bfd(interfaces: string, ...neighbours: readonly string[]) {
  return {
    asn: 64500,
    routerId: '192.0.2.2',
    neighbours: [],
    extra: `protocol bfd watch {
      strict bind no;
      interface "*" { ${interfaces} };
      multihop { ${interfaces} };
      ${neighbours.map((each) => `neighbor ${each};`).join('\n')}
    }`,
  };
}

const FAST = 'min rx interval 50 ms; min tx interval 50 ms; multiplier 3;';
const BOTH = ['192.0.2.1 dev "t0"', '2001:db8::1 dev "t0"'];

/** Waits until BIRD's line about the neighbour matches. */
async function birdSees(router: Router, neighbour: string, pattern: RegExp): Promise<void> {
  for (const deadline = performance.now() + WAIT_MS; ; ) {
    const answer = await router.ask('show bfd sessions');
    const line = answer.split('\n').find((each) => each.startsWith(`${neighbour} `)) ?? '';
    if (pattern.test(line)) return;
    if (performance.now() > deadline) throw new Error(`BIRD sees: ${answer}`);
  }
}

test('sessions with BIRD come up in both families, and a cut one way is noticed by both', async (t) => {
  const { lab, ours, theirs } = neighbours(t);
  const bird = await startBird(lab, theirs, bfd(FAST, ...BOTH));
  const a = watchFrom(ours, {
    wants: [{ four: { remote: '192.0.2.2' }, six: { remote: '2001:db8::2' } }],
  });
  for (const name of ['four', 'six']) {
    const up = await a.hears(name, UP);
    t.is(up.detectionTimeMs, 150);
  }
  await birdSees(bird, '2001:db8::1', /Up .* 0\.050 +0\.150/);

  const birdDeafMs = deafen(theirs);
  const told = await a.hears('four', { state: 'Down' }, birdDeafMs);
  t.is(told.localDiagnostic, 'Neighbor Signaled Session Down');
  t.is(told.remoteDiagnostic, 'Control Detection Time Expired');
  undeafen(theirs);
  for (const name of ['four', 'six']) await a.becomes(name, ({ state }) => state === 'Up');

  const weDeafMs = deafen(ours);
  const noticed = await a.hears('six', { state: 'Down' }, weDeafMs);
  t.is(noticed.localDiagnostic, 'Control Detection Time Expired');
  await birdSees(bird, '2001:db8::1', /Down|Init/);
  undeafen(ours);
  for (const name of ['four', 'six']) await a.becomes(name, ({ state }) => state === 'Up');
  t.deepEqual(await a.drops(), {});
});

for (const [kind, words] of [
  ['keyedSha1', 'keyed sha1'],
  ['meticulousKeyedSha1', 'meticulous keyed sha1'],
] as const) {
  test(`sessions with BIRD come up with ${words}, and not with another key`, async (t) => {
    const { lab, ours, theirs } = neighbours(t);
    const secured = `${FAST} authentication ${words}; password "secret" { id 1; };`;
    await startBird(lab, theirs, bfd(secured, ...BOTH));
    const six: ScriptedSession = { remote: '2001:db8::2', key: { kind, text: 'other' } };
    const a = watchFrom(ours, {
      wants: [{ four: { remote: '192.0.2.2', key: { kind, text: 'secret' } }, six }],
    });
    await a.hears('four', UP);
    const refused = await a.becomes('six', ({ packetsDropped }) => packetsDropped > 1);
    t.is(refused.state, 'Down');
    t.deepEqual(Object.keys(await a.drops()), ['wrongDigest']);
    t.like(await a.now('four'), { state: 'Up', downEvents: 0, packetsDropped: 0 });
  });
}

test('timers are negotiated with BIRD while the session stays Up, whoever changes them', async (t) => {
  const { lab, ours, theirs } = neighbours(t);
  const remote = '192.0.2.2';
  const bird = await startBird(lab, theirs, bfd(FAST, BOTH[0] as string));
  const slower = { transmitIntervalMs: 300, receiveIntervalMs: 100 };
  const a = watchOne(ours, { remote }, { remote, profile: slower }, { remote });
  await a.hears('peer', UP);
  a.goOn();
  await birdSees(bird, '192.0.2.1', /Up .* 0\.100 +0\.900/);
  a.goOn();
  await birdSees(bird, '192.0.2.1', /Up .* 0\.050 +0\.150/);
  await bird.configure(bfd('interval 200 ms; multiplier 4;', BOTH[0] as string));
  await a.becomes('peer', ({ detectionTimeMs }) => detectionTimeMs === 800);
  t.like(await a.now('peer'), { state: 'Up', downEvents: 0, transmitIntervalMs: 200 });
});

test('our end on purpose is heard by BIRD; it ends sessions itself without a word', async (t) => {
  const { lab, ours, theirs } = neighbours(t);
  const bird = await startBird(lab, theirs, bfd(FAST, BOTH[0] as string));
  const first = watchOne(ours, { remote: '192.0.2.2' });
  await first.hears('peer', UP);
  const disabledMs = Date.now();
  await bird.ask('disable watch');
  const ended = await first.hears('peer', { state: 'Down' }, disabledMs);
  t.is(ended.localDiagnostic, 'Control Detection Time Expired');
  await bird.ask('enable watch');
  await first.hears('peer', UP, ended.atMs);
  await birdSees(bird, '192.0.2.1', /Up/);
  await first.stop();
  // It goes on to expect our slow packets: it was told, and did not find out by silence.
  await birdSees(bird, '192.0.2.1', /Down .* 1\.000 +3\.000/);
});

test('a multihop session with BIRD comes up through a router', async (t) => {
  const { lab, ours, theirs } = routerBetween(t);
  const far = '192.0.2.1 local 198.51.100.2 multihop on';
  const bird = await startBird(lab, theirs, bfd(FAST, far));
  // BIRD sends with TTL 64, where others send with 255.
  const profile = { minimumTtl: 63 };
  const a = watchOne(ours, { remote: '198.51.100.2', multihop: true, profile });
  t.is((await a.hears('peer', UP)).detectionTimeMs, 150);
  await birdSees(bird, '192.0.2.1', /Up/);
  await a.hears('peer', { state: 'Down' }, deafen(theirs));
});
