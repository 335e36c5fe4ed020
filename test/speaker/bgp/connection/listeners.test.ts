import test from 'ava';
import {
  type AwaitedPeer,
  createListeners,
} from '../../../../src/speaker/bgp/connection/listeners.ts';
import type { IncomingTcp, ListenOptions, Tcp, TcpPeer } from '../../../../src/system/tcp/tcp.ts';
import { address } from '../../../support/objects.ts';
import { recordingLog } from '../../../support/recording-log.ts';

function scene() {
  const open = new Map<
    string,
    { options: ListenOptions; peers: readonly TcpPeer[]; sets: number }
  >();
  const state = { failure: '', retries: 0 };
  const tcp: Tcp = {
    connect: () => {
      throw new Error('nobody connects here');
    },
    listen(options) {
      if (state.failure) throw Object.assign(new Error(state.failure), { code: state.failure });
      const key = options.device ?? '';
      const entry: { options: ListenOptions; peers: readonly TcpPeer[]; sets: number } = {
        ...{ options, peers: [], sets: 0 },
      };
      open.set(key, entry);
      return {
        setPeers(peers) {
          entry.peers = peers;
          entry.sets += 1;
        },
        counters: () => ({
          ...{ accepted: 0, dropped: 0, badSignatures: 0, strangers: 0, tooMany: 0, refused: 0 },
        }),
        close: () => void open.delete(key),
      };
    },
  };
  const log = recordingLog();
  const listeners = createListeners(tcp, 179, log, () => {
    state.retries += 1;
  });
  return { open, state, log, listeners };
}

function awaited(text: string, fields: Partial<AwaitedPeer> = {}) {
  const seen: IncomingTcp[] = [];
  const peer: AwaitedPeer = {
    address: address(text),
    device: undefined,
    onConnection: (incoming) => seen.push(incoming),
    ...fields,
  };
  return { peer, seen };
}

test('a socket is open only while somebody is waited for, one a VRF', (t) => {
  const { open, listeners } = scene();
  listeners.follow([]);
  t.is(open.size, 0);
  const [a, b] = [awaited('192.0.2.1').peer, awaited('192.0.2.1', { device: 'red' }).peer];
  listeners.follow([a, b]);
  t.deepEqual([...open.keys()], ['', 'red']);
  t.deepEqual(open.get('red')?.peers, [b]);
  listeners.follow([a, b]);
  t.is(open.get('')?.sets, 1, 'nothing changed');
  listeners.follow([b]);
  t.deepEqual([...open.keys()], ['red']);
  listeners.close();
  t.is(open.size, 0);
});

test('a connection goes to the peer of its address and interface', (t) => {
  const { open, listeners } = scene();
  const one = awaited('192.0.2.1');
  const two = awaited('fe80::1', { interface: 'eth0' });
  const three = awaited('fe80::1', { interface: 'eth1' });
  listeners.follow([one.peer, two.peer, three.peer]);
  const connect = (remote: string, link?: string) =>
    open.get('')?.options.onConnection({ remote: address(remote), interface: link } as IncomingTcp);
  connect('192.0.2.1');
  connect('fe80::1', 'eth1');
  connect('192.0.2.99');
  t.deepEqual(
    [one, two, three].map(({ seen }) => seen.length),
    [1, 0, 1],
  );
});

test('a socket that cannot be had is said once, and asked for again', (t) => {
  const { open, state, log, listeners } = scene();
  const { peer } = awaited('192.0.2.1');
  state.failure = 'EADDRINUSE';
  listeners.follow([peer]);
  listeners.follow([peer]);
  t.is(listeners.obstacle(undefined), 'EADDRINUSE');
  t.is(state.retries, 2);
  t.is(log.lines.filter(({ level }) => level === 'error').length, 1);
  state.failure = '';
  listeners.follow([peer]);
  t.is(listeners.obstacle(undefined), '');
  t.deepEqual(open.get('')?.peers, [peer]);
});
