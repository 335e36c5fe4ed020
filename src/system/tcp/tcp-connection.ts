import type { Socket } from 'node:net';
import { getSystemErrorMessage } from 'node:util';
import { type Address, formatAddress, isLinkLocal, parseAddress } from '../../domain/address.ts';
import { END_TIMEOUT_MS, type TcpConnection, type TcpEnds, type TcpHandlers } from './tcp.ts';

/**
 * Runs a socket of `node:net`, connecting or connected, for its handlers. `explain` words an error.
 */
export function runTcpConnection(
  socket: Socket,
  handlers: TcpHandlers,
  explain: (error: NodeJS.ErrnoException) => NodeJS.ErrnoException,
): TcpConnection {
  let failure: NodeJS.ErrnoException | undefined;
  /** We close: in order (`ending`), or without another word to the handlers (`dropped`). */
  let ending = false;
  let dropped = false;
  let waiting = false;
  let deadline: NodeJS.Timeout | undefined;

  function boundEnd() {
    deadline ??= setTimeout(() => {
      if (!socket.writableFinished) failure = unread();
      socket.resetAndDestroy();
    }, END_TIMEOUT_MS);
  }

  function flushed() {
    if (!waiting || dropped || ending || socket.writableLength > 0) return;
    waiting = false;
    handlers.onDrain();
  }

  socket.on('data', (bytes: Buffer) => {
    if (dropped || ending) return;
    // One piece a turn of the event loop: who sends all the time does not keep others waiting.
    socket.pause();
    setImmediate(() => socket.resume());
    handlers.onData(bytes);
  });
  // The peer closed its side: what is queued still goes out, as long as it reads.
  socket.on('end', boundEnd);
  socket.on('error', (error: NodeJS.ErrnoException) => {
    // A peer that answers our end with a reset has what it needs.
    if (!ending) failure = explain(error);
  });
  socket.on('close', () => {
    clearTimeout(deadline);
    if (!dropped) handlers.onClose(failure);
  });

  return {
    send(bytes) {
      if (ending || dropped || !socket.writable) return;
      socket.write(bytes, flushed);
      waiting ||= socket.writableLength > 0;
    },
    get queuedBytes() {
      return socket.destroyed ? 0 : socket.writableLength;
    },
    end() {
      if (ending || dropped) return;
      ending = true;
      if (socket.connecting) socket.destroy();
      else socket.end();
      boundEnd();
    },
    destroy() {
      dropped = true;
      clearTimeout(deadline);
      socket.destroy();
    },
  };
}

/** Ends of a connected socket; `undefined` when it is not connected any more. */
export function endsOf(socket: Socket): TcpEnds | undefined {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  const [local] = parseZoned(localAddress);
  const [remote, zone] = parseZoned(remoteAddress);
  if (local === undefined || remote === undefined) return undefined;
  if (localPort === undefined || remotePort === undefined) return undefined;
  return { local, localPort, remote, remotePort, interface: zone };
}

/** With the interface behind a link-local address: `fe80::1%eth0`. */
export function formatZoned(address: Address, zone: string | undefined): string {
  const text = formatAddress(address);
  return zone !== undefined && isLinkLocal(address) ? `${text}%${zone}` : text;
}

/** An error of a connection that stood, in words. */
export function lostConnection(
  { remote, remotePort, interface: zone }: Omit<TcpEnds, 'local' | 'localPort'>,
  error: NodeJS.ErrnoException,
): NodeJS.ErrnoException {
  const peer = `${formatZoned(remote, zone)} port ${remotePort}`;
  return toldError(`Lost the connection to ${peer}: ${reasonOf(error)}`, error);
}

/** What the kernel said, without what `node:net` and the addon put around it. */
export function reasonOf(error: NodeJS.ErrnoException): string {
  return error.errno === undefined ? error.message : getSystemErrorMessage(error.errno);
}

/** The error with other words and the same code. */
export function toldError(text: string, cause: NodeJS.ErrnoException): NodeJS.ErrnoException {
  return Object.assign(new Error(text, { cause }), { code: cause.code ?? 'EUNKNOWN' });
}

function parseZoned(text = ''): [address: Address | undefined, zone: string | undefined] {
  const [address = '', zone] = text.split('%');
  return [parseAddress(address), zone];
}

function unread(): NodeJS.ErrnoException {
  const text = `Cannot end a connection in order: the peer read nothing for ${END_TIMEOUT_MS} ms`;
  return Object.assign(new Error(text), { code: 'ETIMEDOUT' });
}
