import type { Log } from '../../../domain/log.ts';
import type { IncomingTcp, Tcp, TcpListener, TcpPeer } from '../../../system/tcp/tcp.ts';

/** Somebody who is waited for. */
export interface AwaitedPeer extends TcpPeer {
  /** Interface of the VRF that it connects in. */
  readonly device: string | undefined;
  onConnection(incoming: IncomingTcp): void;
}

/** The sockets that passive peers connect to: one a VRF, and none where nobody is waited for. */
export interface Listeners {
  /** Everybody who may connect from now on. */
  follow(peers: readonly AwaitedPeer[]): void;
  /** Why somebody who is waited for could not connect; empty: they can. */
  obstacle(device: string | undefined): string;
  close(): void;
}

interface OpenListener {
  readonly listener: TcpListener;
  awaited: readonly AwaitedPeer[];
}

/** `retry` is asked for when a socket could not be had: call `follow` again later. */
export function createListeners(tcp: Tcp, port: number, log: Log, retry: () => void): Listeners {
  const open = new Map<string, OpenListener>();
  const obstacles = new Map<string, string>();

  function listen(device: string): OpenListener {
    const entry: { awaited: readonly AwaitedPeer[] } = { awaited: [] };
    const listener = tcp.listen({
      port,
      device: device || undefined,
      onConnection: (incoming) => find(entry.awaited, incoming)?.onConnection(incoming),
      onError: (error) => log.warn('Cannot accept BGP connections now', { error }),
    });
    log.info('Waiting for passive BGP peers', { port, ...(device && { device }) });
    return Object.assign(entry, { listener });
  }

  function followOne(device: string, awaited: readonly AwaitedPeer[]) {
    try {
      const entry = open.get(device) ?? listen(device);
      open.set(device, entry);
      if (sameItems(entry.awaited, awaited)) return;
      entry.listener.setPeers(awaited);
      entry.awaited = awaited;
      obstacles.delete(device);
    } catch (error) {
      const { message } = error as NodeJS.ErrnoException;
      if (obstacles.get(device) !== message)
        log.error('Cannot wait for passive BGP peers; trying again', { port, error });
      obstacles.set(device, message);
      retry();
    }
  }

  return {
    follow(peers) {
      const byDevice = Map.groupBy(peers, ({ device }) => device ?? '');
      for (const [device, { listener }] of open) {
        if (byDevice.has(device)) continue;
        listener.close();
        open.delete(device);
      }
      for (const device of obstacles.keys()) if (!byDevice.has(device)) obstacles.delete(device);
      for (const [device, awaited] of byDevice) followOne(device, awaited);
    },
    obstacle: (device) => obstacles.get(device ?? '') ?? '',
    close() {
      for (const { listener } of open.values()) listener.close();
      open.clear();
    },
  };
}

function find(awaited: readonly AwaitedPeer[], incoming: IncomingTcp): AwaitedPeer | undefined {
  return awaited.find(
    ({ address, interface: link }) =>
      address === incoming.remote && (link === undefined || link === incoming.interface),
  );
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
