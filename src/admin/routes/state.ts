import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { Metrics } from '../../telemetry/metrics.ts';
import { ErrorBody, EventList, Readiness, Status } from '../api.ts';
import { encodeEvent } from '../encode.ts';
import { readinessOf, statusOf } from '../read-status.ts';
import type { AdminView } from '../view.ts';

const EventQuery = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
    object: Type.Optional(Type.String({ maxLength: 317, description: 'Key of an object' })),
  },
  { additionalProperties: false },
);

/** `/v1/status`, `/v1/events`, `/healthz`, `/readyz` and `/metrics`. */
export function stateRoutes(app: FastifyInstance, view: AdminView, metrics: Metrics): void {
  app.get(
    '/v1/status',
    { schema: { summary: 'The state of this process', response: { 200: Status } } },
    () => statusOf(view),
  );

  app.get<{ Querystring: Type.Static<typeof EventQuery> }>(
    '/v1/events',
    {
      schema: {
        summary: 'What happened lately, newest last',
        querystring: EventQuery,
        response: { 200: EventList, 400: ErrorBody },
      },
    },
    ({ query }) => ({ items: view.events(query.limit, query.object).map(encodeEvent) }),
  );

  app.get(
    '/healthz',
    { schema: { summary: 'The process answers', response: { 200: Type.Literal('ok') } } },
    (_request, reply) => reply.type('text/plain').send('ok'),
  );

  app.get(
    '/readyz',
    {
      schema: {
        summary: 'Every role of this process does its work',
        response: { 200: Readiness, 503: Readiness },
      },
    },
    (_request, reply) => {
      const readiness = readinessOf(view);
      return reply.code(readiness.ready ? 200 : 503).send(readiness);
    },
  );

  app.get('/metrics', { schema: { summary: 'Prometheus text format' } }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  );
}
