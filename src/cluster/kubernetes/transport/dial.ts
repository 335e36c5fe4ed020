import * as http from 'node:http';
import * as https from 'node:https';
import { connect, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, rootCertificates } from 'node:tls';
import type { Credentials } from './credentials.ts';

export interface DialOptions {
  readonly proxy: URL | undefined;
  readonly signal: AbortSignal;
}

/** Silence on a connection before the kernel asks whether anybody is there, ms. */
const KEEP_ALIVE_MS = 15_000;

/**
 * Opens a connection to the API server, through the proxy and with TLS where these are set. Rejects
 * with the error of the step that failed, or the signal's reason.
 */
export async function dial(
  { server, tls }: Pick<Credentials, 'server' | 'tls'>,
  { proxy, signal }: DialOptions,
): Promise<Socket> {
  const host = server.hostname.replace(/^\[|\]$/g, '');
  const port = Number(server.port) || (tls === undefined ? 80 : 443);
  const raw = await openRaw({ host, port, authority: tls?.authority }, proxy, signal);
  raw.setKeepAlive(true, KEEP_ALIVE_MS);
  raw.setNoDelay(true);
  if (tls === undefined) return raw;
  const { context, name, verify } = tls;
  const secured = connectTls({
    socket: raw,
    secureContext: context,
    rejectUnauthorized: verify,
    ALPNProtocols: ['http/1.1'],
    ...(isIP(name) === 0 ? { servername: name } : {}),
    checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
  });
  return opened(secured, 'secureConnect', signal);
}

interface Target {
  readonly host: string;
  readonly port: number;
  /** Who may have signed a proxy's certificate, too. */
  readonly authority: string | undefined;
}

async function openRaw(target: Target, proxy: URL | undefined, signal: AbortSignal) {
  if (proxy === undefined)
    return opened(connect({ host: target.host, port: target.port }), 'connect', signal);
  return proxy.protocol.startsWith('socks')
    ? openSocks(target, proxy, signal)
    : openTunnel(target, proxy, signal);
}

/** An HTTP proxy, by CONNECT (RFC 9110 §9.3.6). */
function openTunnel(
  { host, port, authority: signer }: Target,
  proxy: URL,
  signal: AbortSignal,
): Promise<Socket> {
  const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const { request } = proxy.protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const asked = request({
      host: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
      method: 'CONNECT',
      path: authority,
      headers: { Host: authority, ...authorizationFor(proxy) },
      agent: false,
      ...(signer === undefined ? {} : { ca: [...rootCertificates, signer] }),
      signal,
    });
    asked.once('connect', (response, socket, head) => {
      if (response.statusCode === 200) {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(proxyError(`the proxy answered ${response.statusCode} to CONNECT ${authority}`));
    });
    asked.once('response', (response) => {
      asked.destroy();
      reject(proxyError(`the proxy answered ${response.statusCode} to CONNECT ${authority}`));
    });
    asked.once('error', (cause) => reject(signal.aborted ? signal.reason : cause));
    asked.end();
  });
}

function authorizationFor({ username, password }: URL): Record<string, string> {
  if (username === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'Proxy-Authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** RFC 1928, names resolved by the proxy. The library is loaded by who has such a proxy. */
async function openSocks(target: Target, proxy: URL, signal: AbortSignal): Promise<Socket> {
  const { SocksClient } = await import('socks');
  const raw = await opened(
    connect({
      host: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: Number(proxy.port) || 1080,
    }),
    'connect',
    signal,
  );
  const abort = () => raw.destroy(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    await SocksClient.createConnection({
      command: 'connect',
      destination: { host: target.host, port: target.port },
      existing_socket: raw,
      proxy: {
        // Not used, as the socket exists, yet demanded.
        host: proxy.hostname,
        port: Number(proxy.port) || 1080,
        type: 5,
        ...(proxy.username === ''
          ? {}
          : {
              userId: decodeURIComponent(proxy.username),
              password: decodeURIComponent(proxy.password),
            }),
      },
    });
    return raw;
  } catch (cause) {
    raw.destroy();
    // Errors of the library carry its options, with the password.
    throw signal.aborted
      ? signal.reason
      : proxyError(`the proxy says: ${(cause as Error).message}`);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function proxyError(message: string): Error {
  return Object.assign(new Error(message), { code: 'EPROXY' });
}

/** Resolves with the socket when it is ready; destroys it when the signal comes first. */
function opened<S extends Socket>(
  socket: S,
  ready: 'connect' | 'secureConnect',
  signal: AbortSignal,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const abort = () => socket.destroy(signal.reason);
    const done = () => {
      signal.removeEventListener('abort', abort);
      socket.off('error', fail).off('close', closed);
    };
    const fail = (cause: Error) => {
      done();
      reject(cause);
    };
    const closed = () => fail(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
    socket.once('error', fail).once('close', closed);
    socket.once(ready, () => {
      done();
      resolve(socket);
    });
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
