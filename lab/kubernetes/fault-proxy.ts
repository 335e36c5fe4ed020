import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request as send } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type Duplex, Transform } from 'node:stream';
import type { ControlPlane } from './control-plane.ts';
import type { User } from './logins.ts';

/**
 * A proxy between a client and a real API server that goes wrong when a test wants it to. It ends TLS
 * with a certificate of the same authority, so a client is known by its bearer token, which goes on
 * to the server, and not by a certificate, which cannot.
 */
export interface FaultProxy {
  readonly url: string;
  /** Path of the admin's kubeconfig, by token, that leads here. */
  readonly kubeconfig: string;
  /** The same for somebody else: a service account. */
  kubeconfigFor(user: Extract<User, { serviceAccount: unknown }>): Promise<string>;
  /**
   * From now on requests whose `METHOD /path?query` matches are treated so; the rule set last counts.
   * Returns how to take it back. What no rule is for passes.
   */
  rule(match: RegExp, behaviour: Behaviour): () => void;
  /** Takes all rules back. */
  clear(): void;
  /** Answers under way stop where they are, and the links stay up: what a dead TCP link looks like. */
  freeze(match?: RegExp): void;
  /** They go on, with nothing lost. */
  thaw(): void;
  /** Breaks connections with answers under way (RST). */
  reset(match?: RegExp): void;
  /** Ends every connection and takes no new ones. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** `METHOD /path?query` of every request so far that matches, in order. */
  seen(match?: RegExp): readonly string[];
  /** The same of those whose answer is under way. */
  open(match?: RegExp): readonly string[];
  stop(): Promise<void>;
}

/** What becomes of a request; faults.ts has them. */
export type Behaviour = (exchange: Exchange) => void;

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Carries it to a server (default: the control plane's), and the answer back, `change`d or not. */
  forward(options?: { readonly server?: string; readonly change?: Duplex }): void;
  /** Breaks the connection (RST). */
  reset(): void;
}

/** An answer under way. */
interface Passage {
  readonly line: string;
  readonly reset: () => void;
  readonly freeze: () => void;
  readonly thaw: () => void;
}

interface Rule {
  readonly match: RegExp;
  readonly behaviour: Behaviour;
}

const EVERYTHING = /^/;

export async function startFaultProxy(plane: ControlPlane): Promise<FaultProxy> {
  const { hostname } = new URL(plane.url);
  const rules: Rule[] = [];
  const lines: string[] = [];
  const passages = new Set<Passage>();
  const matching = (match = EVERYTHING) => [...passages].filter(({ line }) => match.test(line));
  const agent = new Agent({ keepAlive: true, ca: plane.ca });
  const listener = await createListener(plane, hostname, (request, response, reset) => {
    const line = `${request.method} ${request.url}`;
    lines.push(line);
    const behaviour = rules.findLast(({ match }) => match.test(line))?.behaviour ?? pass;
    const forward: Exchange['forward'] = ({ server: to = plane.url, change } = {}) => {
      const passage = { line, reset, ...carry({ request, response, agent, to, change, reset }) };
      passages.add(passage);
      response.once('close', () => passages.delete(passage));
    };
    behaviour({ request, response, forward, reset });
  });
  await listener.up();
  const url = `https://${hostname}:${listener.port()}`;
  return {
    url,
    kubeconfig: await plane.kubeconfigFor('admin', url),
    kubeconfigFor: (user) => plane.kubeconfigFor(user, url),
    rule: (match, behaviour) => {
      const rule = { match, behaviour };
      rules.push(rule);
      return () => {
        const at = rules.indexOf(rule);
        if (at >= 0) rules.splice(at, 1);
      };
    },
    clear: () => {
      rules.length = 0;
    },
    freeze: (match) => {
      for (const passage of matching(match)) passage.freeze();
    },
    thaw: () => {
      for (const passage of passages) passage.thaw();
    },
    reset: (match) => {
      for (const passage of matching(match)) passage.reset();
    },
    down: listener.down,
    up: listener.up,
    seen: (match = EVERYTHING) => lines.filter((line) => match.test(line)),
    open: (match) => matching(match).map(({ line }) => line),
    stop: async () => {
      await listener.down();
      agent.destroy();
    },
  };
}

/** The side towards the client, on the same port whenever it is up. */
async function createListener(
  plane: ControlPlane,
  hostname: string,
  serve: (request: IncomingMessage, response: ServerResponse, reset: () => void) => void,
) {
  const subject = { commonName: 'proxy', hosts: [hostname, 'localhost'] };
  const { certificate, key } = await plane.credentials.authority.issue(subject);
  const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) });
  // A TLS socket cannot be reset; the one below it can.
  const sockets = new Map<number | undefined, Socket>();
  server.on('connection', (stream) => {
    const socket = stream as Socket;
    const { remotePort } = socket;
    sockets.set(remotePort, socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(remotePort));
  });
  server.on('request', (request, response) => {
    const { remotePort } = request.socket;
    serve(request, response, () => {
      // Resetting what is being closed leaves a handle behind that keeps Node from ending.
      if (response.writableEnded || response.closed) request.socket.destroy();
      else sockets.get(remotePort)?.resetAndDestroy();
    });
  });
  let port = 0;
  return {
    port: () => port,
    up: () =>
      new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, hostname, () => {
          server.off('error', reject);
          port = (server.address() as AddressInfo).port;
          resolve();
        });
      }),
    down: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      // Those that have not come to speak HTTP yet.
      for (const socket of sockets.values()) socket.destroy();
      await closed;
    },
  };
}

/** Carries a request there and its answer back. */
export function pass({ forward }: Exchange): void {
  forward();
}

/** One request to the server and its answer back. */
function carry(way: {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly agent: Agent;
  readonly to: string;
  readonly change: Duplex | undefined;
  readonly reset: () => void;
}): Pick<Passage, 'freeze' | 'thaw'> {
  const { request, response, agent, to, change, reset } = way;
  const { hostname, port, host } = new URL(to);
  const headers = { ...request.headers, host };
  // What changes an answer reads it.
  if (change) delete headers['accept-encoding'];
  const { method = 'GET', url: path = '/' } = request;
  const outward = send({ agent, hostname, port, method, path, headers });
  const gate = createGate();
  const lost = () => gate.whenOpen().then(reset);
  outward.on('error', lost);
  outward.on('response', async (answer) => {
    answer.on('error', lost);
    const { statusCode = 502, headers: answered } = answer;
    if (change) delete answered['content-length'];
    await gate.whenOpen();
    response.writeHead(statusCode, answered).flushHeaders();
    (change ? answer.pipe(change) : answer).pipe(gate.stream).pipe(response);
  });
  response.once('close', () => outward.destroy());
  request.pipe(outward);
  return { freeze: gate.close, thaw: gate.open };
}

/** A stream that can be stopped, at first open. */
function createGate() {
  let opened = Promise.resolve();
  let open = () => {};
  const stream = new Transform({
    transform: (chunk, _encoding, done) => void opened.then(() => done(null, chunk)),
    flush: (done) => void opened.then(() => done()),
  });
  return {
    stream,
    whenOpen: () => opened,
    close: () => {
      open();
      opened = new Promise((resolve) => {
        open = resolve;
      });
    },
    open: () => open(),
  };
}
