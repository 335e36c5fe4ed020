import type { FastifyInstance } from 'fastify';
import type Type from 'typebox';
import type { Backend, VirtualServer } from '../../domain/forwarding.ts';
import { BackendPage, Counters, ErrorBody } from '../api.ts';
import { roleAbsent } from '../api-error.ts';
import { encodeBackend } from '../encode.ts';
import { PageQuery, pageOf } from '../page.ts';
import type { AdminView, ForwardingView } from '../view.ts';
import { flowRoute } from './flows.ts';

/** `/v1/backends`, `/v1/flows` and `/v1/counters`: the forwarder's. */
export function trafficRoutes(app: FastifyInstance, view: AdminView): void {
  const forwarding = (): ForwardingView => {
    if (view.forwarding) return view.forwarding;
    throw roleAbsent('forwarder', view.identity.instance);
  };
  backendRoute(app, forwarding);
  flowRoute(app, forwarding);
  app.get(
    '/v1/counters',
    {
      schema: {
        summary: 'What became of packets, counted since the program was loaded',
        response: { 200: Counters, 404: ErrorBody },
      },
    },
    () => ({
      packets: Object.fromEntries(
        [...forwarding().counters()].map(([name, count]) => [name, Number(count)]),
      ),
    }),
  );
}

function backendRoute(app: FastifyInstance, forwarding: () => ForwardingView): void {
  app.get<{ Querystring: Type.Static<typeof PageQuery> }>(
    '/v1/backends',
    {
      schema: {
        summary: 'Backends with their health and use, by server and backend',
        querystring: PageQuery,
        response: { 200: BackendPage, 400: ErrorBody, 404: ErrorBody },
      },
    },
    (request) => {
      const view = forwarding();
      const servers = [...(view.plan()?.servers.values() ?? [])];
      const rows = backendRows(servers, request.query.after, request.query.limit + 1);
      return pageOf(
        rows,
        idOf,
        request.query,
        ({ server, backend }) => ({
          service: server.service,
          server: server.id,
          ...encodeBackend(server.id, backend, view),
        }),
        () => true,
      );
    },
  );
}

interface Row {
  readonly server: VirtualServer;
  readonly backend: Backend;
}

/** No id of a server or backend holds a comma. */
const idOf = ({ server, backend }: Row): string => `${server.id},${backend.id}`;

/** At most `limit` backends, by server and backend, after the one with the id `after`. */
function backendRows(servers: VirtualServer[], after: string | undefined, limit: number): Row[] {
  const [fromServer = ''] = (after ?? '').split(',');
  const rows: Row[] = [];
  for (const server of servers.sort((a, b) => (a.id < b.id ? -1 : 1))) {
    if (server.id < fromServer) continue;
    for (const backend of [...server.backends].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      const row = { server, backend };
      if (after === undefined || server.id > fromServer || idOf(row) > after) rows.push(row);
    }
    if (rows.length >= limit) break;
  }
  return rows;
}
