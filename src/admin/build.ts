import swagger from '@fastify/swagger';
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import type { Log } from '../domain/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { ApiError } from './api-error.ts';
import { addressRoutes } from './routes/addresses.ts';
import { bgpRoutes } from './routes/bgp.ts';
import { inspectRoutes } from './routes/inspect.ts';
import { serviceRoutes } from './routes/services.ts';
import { stateRoutes } from './routes/state.ts';
import { trafficRoutes } from './routes/traffic.ts';
import { isAuthorized } from './token.ts';
import type { AdminView } from './view.ts';

/** No request changes anything; those with a larger body say so themselves. */
const BODY_MAX_BYTES = 1024;
const HEADERS_MAX_BYTES = 8192;
const REQUEST_TIMEOUT_MS = 10_000;
const CONNECTIONS_MAX = 64;
/** Longest name of a Kubernetes object (RFC 1123 subdomain). */
const PARAMETER_MAX = 253;

export interface ApiOptions {
  readonly view: AdminView;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Who may ask; without it everybody who can connect. */
  readonly guard?: Guard;
}

/** On TCP: a bearer token, or (loopback only) that the request was not lured here by a web page. */
export type Guard = { readonly token: string } | { readonly hostsOnly: true };

/** The API, not listening yet: `inject` asks it in tests. */
export async function buildApi({
  view,
  metrics,
  log,
  guard,
}: ApiOptions): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_MAX_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: REQUEST_TIMEOUT_MS,
    http: { maxHeaderSize: HEADERS_MAX_BYTES },
    routerOptions: { maxParamLength: PARAMETER_MAX },
    forceCloseConnections: true,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true, useDefaults: true } },
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  app.setErrorHandler((error: FastifyError | ApiError, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500 && !(error instanceof ApiError)) {
      log.error('Admin request failed', { method: request.method, path: request.url, error });
    }
    reply.code(status).send(bodyOf(error, status));
  });
  app.setNotFoundHandler((request) => {
    const message = `There is no ${request.method} ${request.url.slice(0, 100)}`;
    throw new ApiError(404, 'no_route', message, 'Look at /openapi.json for what there is');
  });
  if (guard) app.addHook('onRequest', async (request) => admit(guard, request));
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Tidegate admin API',
        version: view.identity.version,
        description: 'Read-only. Each process answers for its own roles; what it lacks is absent.',
      },
    },
  });
  serviceRoutes(app, view);
  addressRoutes(app, view);
  trafficRoutes(app, view);
  bgpRoutes(app, view);
  inspectRoutes(app, view);
  stateRoutes(app, view, metrics);
  app.get('/openapi.json', { schema: { summary: 'This document' } }, () => app.swagger());
  return app;
}

interface Asked {
  readonly url: string;
  readonly hostname: string;
  readonly headers: { readonly authorization?: string | undefined };
}

/** Throws unless the guard lets the request in. `/healthz` tells nothing and is for everybody. */
function admit(guard: Guard, request: Asked): void {
  if (request.url === '/healthz') return;
  if ('token' in guard) {
    if (isAuthorized(request.headers.authorization, guard.token)) return;
    const remedy = 'Send "Authorization: Bearer TOKEN" with the token of admin.tcp.tokenFile';
    throw new ApiError(401, 'unauthorized', 'The bearer token is missing or wrong', remedy);
  }
  // A web page can make a browser ask a name that it points at loopback (DNS rebinding).
  if (
    request.hostname === 'localhost' ||
    /^(\d+\.){3}\d+$|^\[[\da-f:]+\]$/i.test(request.hostname)
  ) {
    return;
  }
  const message = `Host "${request.hostname.slice(0, 100)}" is not an address`;
  throw new ApiError(403, 'forbidden', message, 'Ask by address, or set admin.tcp.tokenFile');
}

function bodyOf(error: FastifyError | ApiError, status: number) {
  if (error instanceof ApiError) {
    return { error: error.code, message: error.message, remedy: error.remedy };
  }
  if (status >= 500) {
    const message = 'The request failed inside Tidegate';
    return { error: 'internal', message, remedy: 'Look at the log of this process' };
  }
  return {
    error: 'bad_request',
    message: error.message,
    remedy: 'Look at /openapi.json for what this request takes',
  };
}
