import { Socket, type SocketConstructorOpts } from 'node:net';
import { familyOf, isLinkLocal } from '../../domain/address.ts';
import type { ConnectHandlers, ConnectOptions, TcpConnection, TcpEnds } from './tcp.ts';
import {
  endsOf,
  formatZoned,
  lostConnection,
  reasonOf,
  runTcpConnection,
  toldError,
} from './tcp-connection.ts';
import { openTcpSocket } from './tcp-socket.ts';

/** `Tcp.connect` of this machine. */
export function connectTcp(options: ConnectOptions, handlers: ConnectHandlers): TcpConnection {
  const { socket, failure } = prepare(options);
  let ends: TcpEnds | undefined;
  const connection = runTcpConnection(socket, handlers, (error) =>
    ends ? lostConnection(ends, error) : failedConnect(options, error),
  );
  if (failure !== undefined) {
    socket.destroy(failure as Error);
    return connection;
  }
  const patience = setTimeout(() => socket.destroy(silence()), options.timeoutMs);
  socket.once('close', () => clearTimeout(patience));
  socket.once('connect', () => {
    clearTimeout(patience);
    ends = endsOf(socket);
    // Without ends it was reset in the same moment, as the error says that follows.
    if (ends) handlers.onOpen(ends);
  });
  socket.connect({ host: formatZoned(options.remote, options.interface), port: options.port });
  return connection;
}

/** A socket that is set up, or an empty one and what the kernel refused. */
function prepare(options: ConnectOptions): { readonly socket: Socket; readonly failure?: unknown } {
  const { remote, local, device, md5, ttl, minTtl, interface: zone } = options;
  try {
    const prepared = openTcpSocket(familyOf(remote));
    try {
      const bound = isLinkLocal(remote) ? zone : device;
      if (bound !== undefined) prepared.bindToDevice(bound);
      if (ttl !== undefined || minTtl !== undefined) prepared.setHops(ttl, minTtl);
      if (md5 !== undefined) prepared.setMd5(remote, md5);
      if (local !== undefined) prepared.bind(local, isLinkLocal(local) ? zone : undefined);
      // Reading starts once it is connected; now the kernel would say that it is not.
      const opening = { fd: prepared.fd, readable: true, writable: true, manualStart: true };
      return { socket: new Socket(opening as SocketConstructorOpts) };
    } catch (failure) {
      prepared.close();
      throw failure;
    }
  } catch (failure) {
    return { socket: new Socket(), failure };
  }
}

function silence(): NodeJS.ErrnoException {
  return Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' });
}

/** Why there is no connection, in words. */
function failedConnect(
  options: ConnectOptions,
  error: NodeJS.ErrnoException,
): NodeJS.ErrnoException {
  const peer = `${formatZoned(options.remote, options.interface)} port ${options.port}`;
  const silent =
    error.code === 'ETIMEDOUT' ? ` for ${options.timeoutMs} ms; ${suspicion(options)}` : '';
  return toldError(`Cannot connect to ${peer}: ${reasonOf(error)}${silent}`, error);
}

/** Segments with a wrong signature are dropped without a word, by either side. */
function suspicion({ md5 }: ConnectOptions): string {
  return md5 === undefined
    ? 'a peer that wants a password does not answer either'
    : 'a peer that has another password, or none, does not answer either';
}
