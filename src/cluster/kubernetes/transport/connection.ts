import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import { type Connections, openConnections } from './agent.ts';
import { ApiError } from './api-error.ts';
import type { ApiRequest } from './api-request.ts';
import type { Credentials } from './credentials.ts';
import { bodyOf, exchange, readBody } from './exchange.ts';
import { type Attempt, answerError, noAnswer } from './failure.ts';
import { openFreshCredentials } from './fresh-credentials.ts';
import { inClusterAccess, SERVICE_ACCOUNT_FOLDER } from './in-cluster.ts';
import { readKubeconfig } from './kubeconfig.ts';
import { formatProxy, proxyFor } from './proxy.ts';
import { untilAborted } from './until-aborted.ts';

/** One API server, with credentials that are kept fresh. */
export interface ApiConnection {
  /** Resolves with the parsed JSON answer (2xx). Rejects with ApiError. */
  request(request: ApiRequest): Promise<unknown>;
  /**
   * Opens an answer that arrives piece by piece (list, watch). Resolves when its 2xx head is there,
   * rejects with ApiError; the body ends, or throws ApiError, and has no time limit of its own. It
   * must be read, or broken off by the signal.
   */
  stream(request: ApiRequest): Promise<AsyncIterable<Uint8Array>>;
  /** For messages: `https://10.0.0.1:6443`. */
  readonly server: string;
  /** Aborts what is under way; later requests reject. */
  close(): Promise<void>;
}

export interface ConnectionOptions {
  /** Path of a kubeconfig; when undefined, the ServiceAccount of the Pod that we run in. */
  readonly kubeconfig: string | undefined;
  /** Name of a context in it; its current one when undefined. */
  readonly context: string | undefined;
  /** `tidegate/0.1.0 (controller)` */
  readonly userAgent: string;
  readonly clock: Clock;
  readonly log: Log;
  /** What the process stands in; its own unless said. */
  readonly surroundings?: Surroundings;
}

/** Environment variables (proxies, in-cluster address), and where a ServiceAccount is mounted. */
export interface Surroundings {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly serviceAccountFolder: string;
}

export const REQUEST_TIMEOUT_MS = 15_000;
/** Answers of `request`; lists of unknown size go through `stream`. */
const MAX_ANSWER_BYTES = 32 * 1_048_576;
/** Of an error's body; a Status object is some hundred bytes. */
const MAX_ERROR_BYTES = 65_536;

/** What is done with the answer's head: read by `take`, while `signal` may break it off. */
type Take<T> = (response: IncomingMessage, attempt: Attempt) => Promise<T> | T;

/**
 * Reads the credentials and prepares the connection; nothing is sent yet. Rejects with ApiError
 * (`Credentials`) when the configuration cannot be read.
 *
 * Connections are of HTTP/1.1, a watch having one to itself: a link that dies takes one watch along.
 */
export async function openConnection(options: ConnectionOptions): Promise<ApiConnection> {
  const { kubeconfig, context, clock, log } = options;
  const { variables, serviceAccountFolder } = options.surroundings ?? {
    variables: process.env,
    serviceAccountFolder: SERVICE_ACCOUNT_FOLDER,
  };
  const closing = new AbortController();
  const credentials = await openFreshCredentials({
    readAccess: () =>
      kubeconfig === undefined
        ? inClusterAccess(serviceAccountFolder, variables)
        : readKubeconfig(kubeconfig, context),
    file: kubeconfig,
    clock,
    log,
  });
  let latest = await credentials.current();
  let connections = connect(latest);

  function connect(used: Credentials): Connections {
    const proxy = proxyFor(used.server, used.proxyUrl, variables);
    if (proxy !== undefined) {
      log.info('Reaching the API server through a proxy', { proxy: formatProxy(proxy) });
    }
    return openConnections(used, proxy, clock);
  }

  function use(fresh: Credentials) {
    if (fresh.identity !== latest.identity) {
      const former = connections;
      connections = connect(fresh);
      former.retire();
    }
    latest = fresh;
  }

  /** Sends a request; once more, with all credentials read anew, when they are refused. */
  async function send<T>(request: ApiRequest, signal: AbortSignal, take: Take<T>): Promise<T> {
    use(await untilAborted(credentials.current(), signal));
    for (let tries = 1; ; tries += 1) {
      const used = latest;
      const attempt = attemptOf(request, used);
      try {
        const { agent } = connections;
        const { userAgent } = options;
        const response = await exchange(request, { agent, credentials: used, userAgent, signal });
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) return await take(response, attempt);
        const body = await readBody(response, MAX_ERROR_BYTES).catch(() => '');
        if (status !== 401 || tries > 1) {
          throw answerError({ status, headers: response.headers, body }, attempt);
        }
      } catch (cause) {
        throw signal.aborted && signal.reason instanceof ApiError
          ? signal.reason
          : noAnswer(cause, attempt);
      }
      use(await untilAborted(credentials.renew(used), signal));
    }
  }

  function begin(request: ApiRequest) {
    const controller = new AbortController();
    const { timeoutMs = REQUEST_TIMEOUT_MS } = request;
    const what = `${request.method} ${latest.server.origin}${request.path}`;
    const cancelTimer = clock.after(timeoutMs, () =>
      controller.abort(
        new ApiError(`${what}: no answer within ${timeoutMs} ms`, { status: 0, reason: 'Timeout' }),
      ),
    );
    const outer = [closing.signal, ...(request.signal === undefined ? [] : [request.signal])];
    const release = follow(controller, outer, what);
    return { signal: controller.signal, cancelTimer, release };
  }

  return {
    get server() {
      return latest.server.origin;
    },
    async request(request) {
      const { signal, cancelTimer, release } = begin(request);
      try {
        return await send(request, signal, async (response, attempt) =>
          parseAnswer(await readBody(response, MAX_ANSWER_BYTES), attempt),
        );
      } finally {
        cancelTimer();
        release();
      }
    },
    async stream(request) {
      const { signal, cancelTimer, release } = begin(request);
      try {
        return await send(request, signal, (response, attempt) =>
          piecesOf(response, attempt, signal, release),
        );
      } catch (error) {
        release();
        throw error;
      } finally {
        cancelTimer();
      }
    },
    async close() {
      closing.abort();
      connections.close();
    },
  };
}

function attemptOf({ method, path }: ApiRequest, { server, origin, secrets }: Credentials) {
  return { what: `${method} ${server.origin}${path}`, origin, secrets };
}

function parseAnswer(body: string, { what }: Attempt): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // Neither the body nor the parser's message, which quotes it: it may be a Secret.
    const message = `${what}: the answer is not JSON; check what answers at this address`;
    throw new ApiError(message, { status: 0, reason: 'Garbage' });
  }
}

async function* piecesOf(
  response: IncomingMessage,
  attempt: Attempt,
  signal: AbortSignal,
  release: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* bodyOf(response) as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw signal.aborted ? signal.reason : noAnswer(cause, attempt);
  } finally {
    response.destroy();
    release();
  }
}

/** Aborts with the first of the others, by an ApiError; the returned function lets them go. */
function follow(controller: AbortController, others: readonly AbortSignal[], what: string) {
  const abort = (signal: AbortSignal) => {
    const { reason } = signal;
    controller.abort(
      reason instanceof ApiError
        ? reason
        : new ApiError(`${what}: broken off`, { status: 0, reason: 'Aborted', cause: reason }),
    );
  };
  const links = others.map((signal) => {
    const listener = () => abort(signal);
    if (signal.aborted) abort(signal);
    else signal.addEventListener('abort', listener, { once: true });
    return () => signal.removeEventListener('abort', listener);
  });
  return () => {
    for (const unlink of links) unlink();
  };
}
