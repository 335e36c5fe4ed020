import test from 'ava';
import { startFrr } from '../../lab/routers/frr.ts';
import type { Router } from '../../lab/routers/router.ts';
import { neighbours, routerBetween } from './bfd-site.ts';
import { deafen, undeafen, watchFrom, watchOne } from './bfd-watcher.ts';

const UP = { state: 'Up', remoteState: 'Up' } as const;
const WAIT_MS = 10_000;
const NO_BGP = { asn: 64500, routerId: '192.0.2.2', neighbours: [] };

const FAST = ['receive-interval 50', 'transmit-interval 50', 'detect-multiplier 3'];

/** Lines of bfdd for a peer. */
async function configure(frr: Router, peer: string, ...lines: readonly string[]): Promise<void> {
  await frr.ask(['configure terminal', 'bfd', `peer ${peer}`, ...lines, 'end'].join('\n'));
}

interface FrrPeer {
  readonly peer: string;
  readonly status: string;
  readonly diagnostic: string;
  readonly 'remote-diagnostic': string;
  readonly 'remote-receive-interval': number;
  readonly 'remote-transmit-interval': number;
}

async function frrSees(
  frr: Router,
  address: string,
  fits: (peer: FrrPeer) => boolean,
): Promise<FrrPeer> {
  for (const deadline = performance.now() + WAIT_MS; ; ) {
    const answer = await frr.ask('show bfd peers json');
    const peer = (JSON.parse(answer) as FrrPeer[]).find((each) => each.peer === address);
    if (peer && fits(peer)) return peer;
    if (performance.now() > deadline) throw new Error(`FRR sees: ${answer}; not ${fits}`);
  }
}

const isUp = ({ status }: FrrPeer) => status === 'up';

test('sessions with FRR come up in both families, and a cut one way is noticed by both', async (t) => {
  const { lab, ours, theirs } = neighbours(t);
  const frr = await startFrr(lab, theirs, NO_BGP);
  await configure(frr, '192.0.2.1', ...FAST);
  await configure(frr, '2001:db8::1 local-address 2001:db8::2', ...FAST);
  await configure(frr, 'fe80::1 local-address fe80::2 interface t0', ...FAST);
  const local = { remote: 'fe80::2', local: 'fe80::1', interface: 'o0' };
  const six = { remote: '2001:db8::2' };
  const a = watchFrom(ours, { wants: [{ four: { remote: '192.0.2.2' }, six, local }] });
  for (const name of ['four', 'six', 'local']) {
    t.is((await a.hears(name, { ...UP, detectionTimeMs: 150 })).state, 'Up');
  }
  for (const peer of ['192.0.2.1', '2001:db8::1', 'fe80::1']) await frrSees(frr, peer, isUp);

  const frrDeafMs = deafen(theirs);
  const told = await a.hears('four', { state: 'Down' }, frrDeafMs);
  t.is(told.localDiagnostic, 'Neighbor Signaled Session Down');
  t.is(told.remoteDiagnostic, 'Control Detection Time Expired');
  undeafen(theirs);
  for (const name of ['four', 'six']) await a.becomes(name, ({ state }) => state === 'Up');

  const weDeafMs = deafen(ours);
  const noticed = await a.hears('six', { state: 'Down' }, weDeafMs);
  t.is(noticed.localDiagnostic, 'Control Detection Time Expired');
  await frrSees(frr, '2001:db8::1', (peer) => !isUp(peer));
  undeafen(ours);
  for (const name of ['four', 'six']) await a.becomes(name, ({ state }) => state === 'Up');
  t.deepEqual(await a.drops(), {});
});

test('timers are negotiated with FRR while the session stays Up, whoever changes them', async (t) => {
  const { lab, ours, theirs } = neighbours(t);
  const remote = '192.0.2.2';
  const frr = await startFrr(lab, theirs, NO_BGP);
  await configure(frr, '192.0.2.1', ...FAST);
  const slower = { transmitIntervalMs: 300, receiveIntervalMs: 100 };
  const a = watchOne(ours, { remote }, { remote, profile: slower }, { remote });
  await a.hears('peer', UP);
  await frrSees(frr, '192.0.2.1', isUp);
  a.goOn();
  const slow = await frrSees(frr, '192.0.2.1', (peer) => peer['remote-transmit-interval'] === 300);
  t.is(slow['remote-receive-interval'], 100);
  a.goOn();
  await frrSees(frr, '192.0.2.1', (peer) => peer['remote-transmit-interval'] === 50);
  await configure(frr, '192.0.2.1', 'receive-interval 200', 'transmit-interval 200');
  await a.becomes('peer', ({ detectionTimeMs }) => detectionTimeMs === 600);
  t.like(await a.now('peer'), { state: 'Up', downEvents: 0, transmitIntervalMs: 200 });
});

test('an end on purpose of either side is none of the path', async (t) => {
  const { lab, ours, theirs } = neighbours(t);
  const frr = await startFrr(lab, theirs, NO_BGP);
  await configure(frr, '192.0.2.1', ...FAST);
  const a = watchOne(ours, { remote: '192.0.2.2' });
  await a.hears('peer', UP);
  await frrSees(frr, '192.0.2.1', isUp);
  const shutMs = Date.now();
  await configure(frr, '192.0.2.1', 'shutdown');
  const ended = await a.hears('peer', { state: 'Down' }, shutMs);
  t.is(ended.remoteState, 'AdminDown');
  await configure(frr, '192.0.2.1', 'no shutdown');
  await a.hears('peer', UP, ended.atMs);
  await frrSees(frr, '192.0.2.1', isUp);
  await a.stop();
  const seen = await frrSees(frr, '192.0.2.1', (peer) => !isUp(peer));
  t.is(seen['remote-diagnostic'], 'administratively down');
});

test('a multihop session with FRR comes up through a router', async (t) => {
  const { lab, ours, theirs } = routerBetween(t);
  const frr = await startFrr(lab, theirs, NO_BGP);
  await configure(frr, '192.0.2.1 multihop local-address 198.51.100.2', ...FAST);
  const a = watchOne(ours, { remote: '198.51.100.2', multihop: true });
  t.is((await a.hears('peer', { ...UP, detectionTimeMs: 150 })).state, 'Up');
  await frrSees(frr, '192.0.2.1', isUp);
  await a.hears('peer', { state: 'Down' }, deafen(theirs));
});

test('FRR asks for echo packets, and gets none', async (t) => {
  const { lab, ours, theirs } = neighbours(t);
  const frr = await startFrr(lab, theirs, NO_BGP);
  await configure(frr, '192.0.2.1', ...FAST, 'echo-mode');
  const a = watchOne(ours, { remote: '192.0.2.2' });
  await a.hears('peer', { ...UP, detectionTimeMs: 150 });
  const seen = JSON.parse(await frr.ask('show bfd peers counters json')) as {
    readonly 'echo-packet-output': number;
  }[];
  t.is(seen[0]?.['echo-packet-output'], 0);
});
