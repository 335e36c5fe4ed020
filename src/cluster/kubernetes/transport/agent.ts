import { type Agent, Agent as PlainAgent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import type { Clock } from '../../../domain/clock.ts';
import type { Credentials } from './credentials.ts';
import { dial } from './dial.ts';

/** For the connection, the proxy's answer and the TLS handshake together, ms. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Watches of all kinds, and requests beside them; more wait their turn. */
const MAX_SOCKETS = 128;
/** Connections kept for later requests; watches come back to them, too. */
const MAX_FREE_SOCKETS = 8;
/** kube-apiserver closes idle connections after 90 s: we go first, and never meet one just closed. */
const FREE_SOCKET_TIMEOUT_MS = 60_000;

/** The connections that are made with one set of credentials. */
export interface Connections {
  readonly agent: Agent;
  /** What is under way goes on, and nothing is kept for later. */
  retire(): void;
  /** Breaks off what is being connected, and closes what is idle. */
  close(): void;
}

export function openConnections(
  credentials: Credentials,
  proxy: URL | undefined,
  clock: Clock,
): Connections {
  const closing = new AbortController();
  const kind = credentials.tls === undefined ? PlainAgent : TlsAgent;
  const agent = new kind({
    keepAlive: true,
    scheduling: 'lifo',
    maxSockets: MAX_SOCKETS,
    maxFreeSockets: MAX_FREE_SOCKETS,
    timeout: FREE_SOCKET_TIMEOUT_MS,
  });

  async function connect() {
    const attempt = new AbortController();
    const abort = () => attempt.abort(closing.signal.reason);
    closing.signal.addEventListener('abort', abort, { once: true });
    const cancel = clock.after(CONNECT_TIMEOUT_MS, () => {
      const message = `no connection within ${CONNECT_TIMEOUT_MS} ms`;
      attempt.abort(Object.assign(new Error(message), { code: 'ETIMEDOUT' }));
    });
    try {
      return await dial(credentials, { proxy, signal: attempt.signal });
    } finally {
      cancel();
      closing.signal.removeEventListener('abort', abort);
    }
  }

  agent.createConnection = (_options, done) => {
    connect().then(
      (socket) => done?.(null, socket),
      (error) => done?.(error, undefined as never),
    );
    return undefined;
  };
  return {
    agent,
    retire() {
      agent.maxFreeSockets = 0;
      for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
    },
    close() {
      closing.abort(Object.assign(new Error('closed'), { code: 'ECONNABORTED' }));
      agent.destroy();
    },
  };
}
