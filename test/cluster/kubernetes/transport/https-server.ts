import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, RequestListener, Server } from 'node:http';
import * as http from 'node:http';
import * as https from 'node:https';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import {
  type Authority,
  createAuthority,
  type KeyPair,
} from '../../../../lab/kubernetes/certificates.ts';

/** A request as a server saw it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Common name of the client's certificate; '' without. */
  readonly client: string;
  /** By which name TLS was asked for; '' without. */
  readonly serverName: string;
  readonly body: string;
}

/** An API server of a test: HTTPS on loopback, says what a handler says. */
export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly seen: readonly Seen[];
  /** Connections accepted so far. */
  connections(): number;
  /** What the next requests are answered with; `{}` unless said. */
  answer(listener: RequestListener): void;
  stop(): Promise<void>;
}

export interface Pki {
  readonly folder: string;
  readonly authority: Authority;
  /** Of a server at 127.0.0.1 and localhost. */
  readonly server: KeyPair;
  remove(): void;
}

export async function createPki(): Promise<Pki> {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-pki-'));
  const authority = await createAuthority(folder);
  const hosts = ['127.0.0.1', 'localhost', 'api.example.com'];
  const server = await authority.issue({ commonName: 'server', hosts });
  return { folder, authority, server, remove: () => rmSync(folder, { recursive: true }) };
}

export function pem(pair: KeyPair) {
  return { cert: readFileSync(pair.certificate), key: readFileSync(pair.key) };
}

export async function startServer(pki: Pki, pair = pki.server): Promise<TestServer> {
  const ca = readFileSync(pki.authority.certificate);
  const server = https.createServer({
    ...pem(pair),
    ca,
    requestCert: true,
    rejectUnauthorized: false,
  });
  return serve(server, 'https');
}

export async function startPlainServer(): Promise<TestServer> {
  return serve(http.createServer(), 'http');
}

async function serve(server: Server, scheme: string): Promise<TestServer> {
  const seen: Seen[] = [];
  let listener: RequestListener = (_request, response) => response.end('{}');
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  server.on('request', async (request, response) => {
    seen.push(await describe(request));
    listener(request, response);
  });
  const port = await listen(server);
  return {
    url: `${scheme}://127.0.0.1:${port}`,
    port,
    seen,
    connections: () => connections,
    answer(next) {
      listener = next;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function describe(request: IncomingMessage): Promise<Seen> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  const socket = request.socket as Partial<TLSSocket>;
  return {
    method: request.method ?? '',
    url: request.url ?? '',
    headers: request.headers,
    client: String(socket.getPeerCertificate?.()?.subject?.CN ?? ''),
    serverName: (socket as { servername?: string | false }).servername || '',
    body: Buffer.concat(pieces).toString(),
  };
}

async function listen(server: { listen(port: number, host: string): unknown }): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server as never, 'listening');
  return ((server as unknown as Server).address() as AddressInfo).port;
}

/** A proxy, and what it was asked for. */
export interface TestProxy {
  readonly port: number;
  readonly asked: readonly string[];
  stop(): void;
}

/** An HTTP proxy; over TLS with a key pair. Wants `expected` as Proxy-Authorization when set. */
export async function startHttpProxy(
  options: { readonly pair?: KeyPair; readonly expected?: string } = {},
): Promise<TestProxy> {
  const asked: string[] = [];
  const server = options.pair ? https.createServer(pem(options.pair)) : http.createServer();
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    asked.push(request.url ?? '');
    const { expected } = options;
    if (expected !== undefined && request.headers['proxy-authorization'] !== expected) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    const port = Number(request.url?.split(':').at(-1));
    const far = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      tie(socket, far);
    });
  });
  const port = await listen(server);
  return {
    port,
    asked,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A SOCKS5 proxy (RFC 1928), with a user name and password (RFC 1929) when `password` is set. */
export async function startSocksProxy(password?: string): Promise<TestProxy> {
  const asked: string[] = [];
  const server = createServer(async (socket) => {
    socket.on('error', () => undefined);
    const next = async () => ((await once(socket, 'data')) as [Buffer])[0];
    await next();
    socket.write(Buffer.from([5, password === undefined ? 0 : 2]));
    if (password !== undefined) {
      const given = await next();
      const ok = given.toString().endsWith(password);
      socket.write(Buffer.from([1, ok ? 0 : 1]));
      if (!ok) return void socket.end();
    }
    const request = await next();
    const isName = request[3] === 3;
    const host = isName
      ? request.toString('latin1', 5, 5 + (request[4] as number))
      : [...request.subarray(4, 8)].join('.');
    const port = request.readUInt16BE(request.length - 2);
    asked.push(`${host}:${port}`);
    const far = connect(port, '127.0.0.1', () => {
      socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
      tie(socket, far);
    });
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  const port = await listen(server);
  return {
    port,
    asked,
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function tie(a: Socket, b: Socket) {
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    one.on('error', () => other.destroy()).on('close', () => other.destroy());
    one.pipe(other);
  }
}

/** Writes a kubeconfig with one context and returns its path. */
export function writeKubeconfig(folder: string, cluster: object, user: object): string {
  const path = join(folder, 'kubeconfig');
  writeFileSync(
    path,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  return path;
}
