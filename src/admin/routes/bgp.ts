import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { formatPrefix } from '../../domain/prefix.ts';
import { ErrorBody } from '../api.ts';
import { BfdSessionList, BgpRoutePage, BgpSessionList, ReceivedRoutePage } from '../api-bgp.ts';
import { roleAbsent } from '../api-error.ts';
import type { BgpView } from '../bgp-view.ts';
import { encodeBfdSession, encodeBgpSession } from '../encode-bgp.ts';
import { PageQuery, pageOf } from '../page.ts';
import { encodeRoute, isAfterPrefix, receivedRows, routeRows, sessionsOf } from '../read-bgp.ts';
import type { AdminView } from '../view.ts';

const Peer = Type.Optional(
  Type.String({ maxLength: 317, description: 'Name or key of a BGPPeer; without: of all' }),
);
const PeerQuery = Type.Object({ peer: Peer }, { additionalProperties: false });
type PeerQuery = Type.Static<typeof PeerQuery>;
const RouteQuery = Type.Object(
  { ...PageQuery.properties, peer: Peer },
  { additionalProperties: false },
);
type RouteQuery = Type.Static<typeof RouteQuery>;

/** `/v1/bgp/…` and `/v1/bfd/sessions`: the speaker's. */
export function bgpRoutes(app: FastifyInstance, view: AdminView): void {
  const bgp = (): BgpView => {
    if (view.announcing) return view.announcing.bgp;
    throw roleAbsent('speaker', view.identity.instance);
  };
  const keysOf = (peer: string | undefined) => sessionsOf(bgp(), peer).map(({ peer: key }) => key);

  app.get<{ Querystring: PeerQuery }>(
    '/v1/bgp/sessions',
    { schema: schemaOf('BGP sessions, by peer', PeerQuery, BgpSessionList) },
    ({ query }) => ({
      items: sessionsOf(bgp(), query.peer).map((session) => encodeBgpSession(session, bgp())),
    }),
  );

  app.get<{ Querystring: RouteQuery }>(
    '/v1/bgp/routes',
    { schema: schemaOf('What peers are told, by prefix', RouteQuery, BgpRoutePage) },
    ({ query }) =>
      pageOf(
        routeRows(bgp(), keysOf(query.peer)),
        ({ prefix }) => formatPrefix(prefix),
        query,
        encodeRoute(bgp()),
        isAfterPrefix,
      ),
  );

  app.get<{ Querystring: RouteQuery }>(
    '/v1/bgp/received',
    {
      schema: schemaOf(
        'What peers announce, by peer and prefix; nothing is installed',
        RouteQuery,
        ReceivedRoutePage,
      ),
    },
    ({ query }) =>
      pageOf(
        receivedRows(bgp(), keysOf(query.peer)),
        ({ peer, prefix }) => `${peer} ${formatPrefix(prefix)}`,
        query,
        (row) => row.encode(),
        isAfterPrefix,
      ),
  );

  app.get<{ Querystring: PeerQuery }>(
    '/v1/bfd/sessions',
    { schema: schemaOf('BFD sessions, by the peer they watch', PeerQuery, BfdSessionList) },
    ({ query }) => {
      const { bfd } = bgp();
      const watched = bfd.sessions();
      const items = keysOf(query.peer).flatMap((peer) => {
        const session = watched.get(peer);
        return session ? [encodeBfdSession(peer, session)] : [];
      });
      return { items, drops: { ...bfd.drops() } };
    },
  );
}

function schemaOf<Q extends Type.TSchema, R extends Type.TSchema>(
  summary: string,
  querystring: Q,
  answer: R,
) {
  return { summary, querystring, response: { 200: answer, 400: ErrorBody, 404: ErrorBody } };
}
