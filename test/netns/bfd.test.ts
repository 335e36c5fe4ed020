import { fileURLToPath } from 'node:url';
import test from 'ava';
import { createLab } from '../../lab/lab.ts';
import { neighbours, routerBetween } from './bfd-site.ts';
import { deafen, undeafen, watchFrom, watchOne } from './bfd-watcher.ts';

const FLOODER = fileURLToPath(new URL('./bfd-flooder.ts', import.meta.url));
const UP = { state: 'Up', remoteState: 'Up' } as const;
/** Of 3 × 50 ms. */
const DETECTION_MS = 150;

test('both families and link-local addresses come up, and a cut one way is noticed by both', async (t) => {
  const { ours: left, theirs: right } = neighbours(t);
  const key = { kind: 'meticulousKeyedSha1', text: 'secret' } as const;
  const a = watchFrom(left, {
    wants: [
      {
        four: { remote: '192.0.2.2' },
        six: { remote: '2001:db8::2', key },
        local: { remote: 'fe80::2', local: 'fe80::1', interface: 'o0' },
      },
    ],
  });
  const b = watchFrom(right, {
    wants: [
      {
        four: { remote: '192.0.2.1', local: '192.0.2.2' },
        six: { remote: '2001:db8::1', key },
        local: { remote: 'fe80::1', local: 'fe80::2', interface: 't0' },
      },
    ],
  });
  for (const name of ['four', 'six', 'local']) {
    await a.hears(name, { ...UP, detectionTimeMs: DETECTION_MS });
    await b.hears(name, { ...UP, detectionTimeMs: DETECTION_MS });
  }
  const cutMs = deafen(right);
  for (const name of ['four', 'six', 'local']) {
    const deaf = await b.hears(name, { state: 'Down' }, cutMs);
    const heard = await a.hears(name, { state: 'Down' }, cutMs);
    t.is(deaf.localDiagnostic, 'Control Detection Time Expired');
    t.is(heard.localDiagnostic, 'Neighbor Signaled Session Down');
    t.is(heard.remoteDiagnostic, 'Control Detection Time Expired');
  }
  const healedMs = undeafen(right);
  for (const name of ['four', 'six', 'local']) await a.hears(name, UP, healedMs);
  t.deepEqual(await a.drops(), {});
});

test('packets leave with TTL 255, CS6 and one source port of the session', async (t) => {
  const { ours: left, theirs: right } = neighbours(t);
  const a = watchOne(left, { remote: '192.0.2.2' });
  const b = watchOne(right, { remote: '192.0.2.1' });
  await a.hears('peer', UP);
  await b.hears('peer', UP);
  const filter = 'udp port 3784 and src host 192.0.2.1';
  const capture = right.start(['tcpdump', '-lnvi', 't0', '-c', '20', filter]);
  t.is(await capture.exited, 0, capture.output());
  const packets = capture.output().match(/IP \(.*\n +192\S+/g) ?? [];
  t.is(packets.length, 20);
  t.true(
    packets.every((packet) => /tos 0xc0, ttl 255,/.test(packet)),
    packets.join(),
  );
  const ports = new Set(packets.map((packet) => Number(/\.(\d+)$/.exec(packet)?.[1])));
  t.is(ports.size, 1);
  t.true(
    [...ports].every((port) => port >= 49_152),
    [...ports].join(),
  );
});

test('a flood of strangers occupies nobody and ends no session', async (t) => {
  const { ours: left, theirs: right } = neighbours(t);
  const a = watchOne(left, { remote: '192.0.2.2' });
  watchOne(right, { remote: '192.0.2.1' });
  await a.hears('peer', UP);
  right.ip('addr add 192.0.2.3/24 dev t0');
  const { stdout, stderr } = await right.finish([
    process.execPath,
    FLOODER,
    '192.0.2.3',
    '192.0.2.1',
  ]);
  const sent = Number(stdout);
  t.true(sent > 1000, stderr);
  t.like(await a.now('peer'), { state: 'Up', downEvents: 0, packetsDropped: 0 });
  const { unknownSource = 0 } = await a.drops();
  t.true(unknownSource > 0 && unknownSource < sent / 8, `${unknownSource} of ${sent}`);
});

test('timers are negotiated while the session stays Up', async (t) => {
  const { ours: left, theirs: right } = neighbours(t);
  const remote = '192.0.2.2';
  const slower = { transmitIntervalMs: 300, receiveIntervalMs: 200, detectMultiplier: 5 };
  const a = watchOne(left, { remote }, { remote, profile: slower }, { remote });
  const b = watchOne(right, { remote: '192.0.2.1' });
  await b.hears('peer', { ...UP, detectionTimeMs: DETECTION_MS });
  a.goOn();
  const slow = await b.becomes('peer', ({ detectionTimeMs }) => detectionTimeMs === 1500);
  t.is(slow.transmitIntervalMs, 200);
  a.goOn();
  await b.becomes('peer', ({ detectionTimeMs }) => detectionTimeMs === DETECTION_MS);
  await a.becomes('peer', ({ transmitIntervalMs }) => transmitIntervalMs === 50);
  t.like(await a.now('peer'), { detectionTimeMs: DETECTION_MS, downEvents: 0 });
  t.like(await b.now('peer'), { downEvents: 0 });
});

test('an end on purpose is told to the peer, and a sudden death is noticed', async (t) => {
  const { ours: left, theirs: right } = neighbours(t);
  const first = watchOne(left, { remote: '192.0.2.2' });
  const b = watchOne(right, { remote: '192.0.2.1' });
  await b.hears('peer', UP);
  const stoppedMs = Date.now();
  await first.stop();
  const ended = await b.hears('peer', { state: 'Down' }, stoppedMs);
  t.is(ended.remoteState, 'AdminDown');
  t.is(ended.remoteDiagnostic, 'Administratively Down');

  const second = watchOne(left, { remote: '192.0.2.2' });
  await b.hears('peer', UP, Date.now());
  const killedMs = Date.now();
  await second.kill();
  const died = await b.hears('peer', { state: 'Down' }, killedMs);
  t.is(died.remoteState, 'Down');
  t.is(died.localDiagnostic, 'Control Detection Time Expired');
});

test('with another key there is no session, and the packets are counted', async (t) => {
  const { ours: left, theirs: right } = neighbours(t);
  const keyed = (text: string) => ({ kind: 'keyedSha1', text }) as const;
  const a = watchOne(left, { remote: '192.0.2.2', key: keyed('ours') });
  watchOne(right, { remote: '192.0.2.1', key: keyed('theirs') });
  const session = await a.becomes('peer', ({ packetsDropped }) => packetsDropped > 0);
  t.is(session.state, 'Down');
  t.deepEqual(Object.keys(await a.drops()), ['wrongDigest']);
  t.regex(a.output(), /"Refused a BFD packet","reason":"wrongDigest","source":"192.0.2.2"/);
});

test('a session outlives its interface: it goes away, and is made anew', async (t) => {
  const lab = createLab();
  t.teardown(lab.remove);
  const left = lab.host('left');
  const right = lab.host('right');
  const connect = () =>
    lab.cable(
      { host: left, name: 'o0', addresses: ['fe80::1/64'] },
      { host: right, name: 't0', addresses: ['fe80::2/64'] },
    );
  connect();
  const a = watchOne(left, { remote: 'fe80::2', local: 'fe80::1', interface: 'o0' });
  const b = watchOne(right, { remote: 'fe80::1', local: 'fe80::2', interface: 't0' });
  await a.hears('peer', UP);
  left.ip('link delete o0');
  await a.hears('peer', { state: 'Down', localDiagnostic: 'Control Detection Time Expired' });
  await a.hears('peer', { obstacle: 'No interface is named "o0"' });
  await b.hears('peer', { obstacle: 'No interface is named "t0"' });
  connect();
  const back = await a.hears('peer', { ...UP, obstacle: '' }, Date.now());
  t.is(back.downEvents, 1);
});

test('a source address that goes is an obstacle, and used again when it is back', async (t) => {
  const { ours: left, theirs: right } = neighbours(t);
  const a = watchOne(left, { remote: '192.0.2.2', local: '192.0.2.1' });
  watchOne(right, { remote: '192.0.2.1' });
  await a.hears('peer', UP);
  left.ip('addr add 192.0.2.7/24 dev o0', 'addr del 192.0.2.1/24 dev o0');
  const goneMs = Date.now();
  await a.hears('peer', { state: 'Down' }, goneMs);
  t.not((await a.now('peer')).obstacle, '');
  left.ip('addr add 192.0.2.1/24 dev o0');
  const back = await a.hears('peer', { ...UP, obstacle: '' }, Date.now());
  t.is(back.downEvents, 1);
});

test('multihop sessions come up through a router, down to the least TTL', async (t) => {
  const { ours: left, theirs: right } = routerBetween(t);
  const a = watchFrom(left, {
    wants: [
      {
        four: { remote: '198.51.100.2', multihop: true },
        six: { remote: '2001:db8:2::2', multihop: true },
      },
    ],
  });
  const b = watchFrom(right, {
    wants: [
      {
        four: { remote: '192.0.2.1', multihop: true },
        six: { remote: '2001:db8:1::1', multihop: true },
      },
    ],
  });
  for (const name of ['four', 'six']) {
    await a.hears(name, UP);
    await b.hears(name, UP);
  }
  const cutMs = deafen(left);
  t.is((await a.hears('four', { state: 'Down' }, cutMs)).downEvents, 1);
});

test('a single-hop session does not come up through a router', async (t) => {
  const { ours: left, theirs: right } = routerBetween(t);
  const a = watchOne(left, { remote: '198.51.100.2' });
  watchOne(right, { remote: '192.0.2.1' });
  const session = await a.becomes('peer', ({ packetsDropped }) => packetsDropped > 1);
  t.is(session.state, 'Down');
  t.deepEqual(Object.keys(await a.drops()), ['ttl']);
});
