import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { type Address, parseAddress } from '../../domain/address.ts';
import type { Backend, VirtualServer } from '../../domain/forwarding.ts';
import { BackendPage, Counters, ErrorBody, FlowList } from '../api.ts';
import { ApiError, roleAbsent } from '../api-error.ts';
import { encodeBackend, encodeFlow } from '../encode.ts';
import { PageQuery, pageOf } from '../page.ts';
import type { AdminView, ForwardingView } from '../view.ts';

/** Flows in one answer. */
const FLOWS_MAX = 10_000;
/** Requests for flows at one time; each reads the whole table. */
const FLOW_READERS_MAX = 2;

const AddressText = Type.String({ maxLength: 45, description: 'IPv4 or IPv6 address' });

const FlowQuery = Type.Object(
  {
    vip: Type.Optional(AddressText),
    client: Type.Optional(AddressText),
    backend: Type.Optional(AddressText),
    limit: Type.Integer({ minimum: 1, maximum: FLOWS_MAX, default: 100 }),
  },
  { additionalProperties: false },
);

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

function flowRoute(app: FastifyInstance, forwarding: () => ForwardingView): void {
  let readers = 0;
  app.get<{ Querystring: Type.Static<typeof FlowQuery> }>(
    '/v1/flows',
    {
      schema: {
        summary: 'Flows in the table now, in no order',
        querystring: FlowQuery,
        response: { 200: FlowList, 400: ErrorBody, 404: ErrorBody, 503: ErrorBody },
      },
    },
    async (request) => {
      const { limit, ...texts } = request.query;
      const view = forwarding();
      const filter: Record<string, Address> = {};
      for (const [name, text] of Object.entries(texts)) filter[name] = addressOf(name, text);
      if (readers >= FLOW_READERS_MAX) {
        const message = `${FLOW_READERS_MAX} other requests read the flow table`;
        throw new ApiError(503, 'busy', message, 'Ask again in a moment');
      }
      readers += 1;
      try {
        const { flows, truncated } = await view.flows(filter, limit);
        return { items: flows.map(encodeFlow), truncated };
      } finally {
        readers -= 1;
      }
    },
  );
}

function addressOf(name: string, text: string): Address {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  throw new ApiError(
    400,
    'bad_request',
    `Query "${name}" is "${text}", which is not an IP address`,
    'Write an IPv4 or IPv6 address without port or prefix length',
  );
}
