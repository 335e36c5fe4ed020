import { type Address, familyOf } from '../../src/domain/address.ts';
import type { Clock } from '../../src/domain/clock.ts';
import type {
  ConnectHandlers,
  ConnectOptions,
  ListenOptions,
  Tcp,
  TcpConnection,
  TcpHandlers,
  TcpPeer,
} from '../../src/system/tcp/tcp.ts';

/** Hosts whose TCP connections are queues: time moves only by the clock. */
export interface FakeNet {
  host(...addresses: readonly Address[]): FakeHost;
}

export interface FakeHost extends Tcp {
  /** Whether programs here read what arrives. */
  reading(on: boolean): void;
  /** All connections of this host break without a word. */
  breakAll(): void;
  /** The most that has waited in one connection to be read elsewhere, octets. */
  readonly mostQueued: number;
  /** Options of every attempt to connect. */
  readonly attempts: readonly ConnectOptions[];
}

interface End extends TcpConnection {
  readonly host: HostState;
  handlers: TcpHandlers;
  peer: End | undefined;
  readonly queue: Uint8Array[];
  queued: number;
  state: 'open' | 'ending' | 'over';
}

interface HostState {
  readonly addresses: readonly Address[];
  readonly ends: Set<End>;
  readonly listeners: Map<number, { readonly options: ListenOptions; peers: readonly TcpPeer[] }>;
  isReading: boolean;
  mostQueued: number;
}

const DELAY_MS = 1;

export function fakeNet(clock: Clock): FakeNet {
  const hosts: HostState[] = [];

  function createEnd(host: HostState, handlers: TcpHandlers): End {
    const end: End = {
      ...{ host, handlers, peer: undefined, queue: [], queued: 0, state: 'open' },
      send(bytes) {
        if (end.state !== 'open') return;
        end.queue.push(bytes);
        end.queued += bytes.length;
        host.mostQueued = Math.max(host.mostQueued, end.queued);
        if (end.queue.length === 1) clock.after(DELAY_MS, () => deliver(end));
      },
      get queuedBytes() {
        return end.queued;
      },
      end() {
        if (end.state !== 'open') return;
        end.state = 'ending';
        clock.after(DELAY_MS, () => deliver(end));
        clock.after(3000, () => finish(end, undefined));
      },
      destroy() {
        if (end.state === 'over') return;
        end.state = 'over';
        host.ends.delete(end);
        const { peer } = end;
        clock.after(DELAY_MS, () => peer && finish(peer, undefined));
      },
    };
    host.ends.add(end);
    return end;
  }

  function deliver(end: End) {
    const { peer } = end;
    if (!peer || end.state === 'over' || !peer.host.isReading) return;
    const had = end.queued > 0;
    for (let bytes = end.queue.shift(); bytes; bytes = end.queue.shift()) {
      end.queued -= bytes.length;
      if (peer.state === 'open') peer.handlers.onData(bytes);
    }
    if (end.state === 'ending') {
      finish(end, undefined);
      finish(peer, undefined);
    } else if (had) end.handlers.onDrain();
  }

  function finish(end: End, error: NodeJS.ErrnoException | undefined) {
    if (end.state === 'over') return;
    end.state = 'over';
    end.host.ends.delete(end);
    end.handlers.onClose(error);
  }

  function connect(from: HostState, options: ConnectOptions, handlers: ConnectHandlers) {
    const near = createEnd(from, handlers);
    clock.after(DELAY_MS, () => {
      if (near.state !== 'open') return;
      const family = familyOf(options.remote);
      const local = options.local ?? from.addresses.find((one) => familyOf(one) === family);
      const host = hosts.find(({ addresses }) => addresses.includes(options.remote));
      const door = host?.listeners.get(options.port);
      const isKnown = door?.peers.some(({ address }) => address === local);
      if (!host || !door || !isKnown || local === undefined) {
        finish(near, Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
        return;
      }
      const ends = { localPort: 50_000, remotePort: options.port, interface: undefined };
      let far: End | undefined;
      handlers.onOpen({ ...ends, local, remote: options.remote });
      door.options.onConnection({
        local: options.remote,
        remote: local,
        localPort: options.port,
        remotePort: 50_000,
        interface: undefined,
        accept(farHandlers) {
          far = createEnd(host, farHandlers);
          near.peer = far;
          far.peer = near;
          return far;
        },
      });
      if (!far) finish(near, Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
      else deliver(near);
    });
    return near;
  }

  return {
    host(...addresses) {
      const state: HostState = {
        ...{ addresses, ends: new Set(), listeners: new Map(), isReading: true, mostQueued: 0 },
      };
      hosts.push(state);
      const attempts: ConnectOptions[] = [];
      return {
        attempts,
        connect(options, handlers) {
          attempts.push(options);
          return connect(state, options, handlers);
        },
        listen(options) {
          const entry: { options: ListenOptions; peers: readonly TcpPeer[] } = {
            options,
            peers: [],
          };
          state.listeners.set(options.port, entry);
          return {
            setPeers(peers) {
              entry.peers = peers;
            },
            counters: () => ({
              ...{
                accepted: 0,
                dropped: 0,
                badSignatures: 0,
                strangers: 0,
                tooMany: 0,
                refused: 0,
              },
            }),
            close: () => void state.listeners.delete(options.port),
          };
        },
        reading(on) {
          state.isReading = on;
          if (!on) return;
          for (const end of state.ends) if (end.peer) deliver(end.peer);
        },
        breakAll() {
          for (const end of [...state.ends]) {
            const { peer } = end;
            finish(end, Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
            if (peer) finish(peer, Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
          }
        },
        get mostQueued() {
          return state.mostQueued;
        },
      };
    },
  };
}
