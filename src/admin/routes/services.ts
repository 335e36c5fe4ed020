import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { objectKey } from '../../domain/object.ts';
import { ErrorBody, ServiceDetail, ServicePage } from '../api.ts';
import { ApiError } from '../api-error.ts';
import { PageQuery, pageOf } from '../page.ts';
import { detailOf, summaryOf } from '../read-services.ts';
import type { AdminView } from '../view.ts';

const Params = Type.Object({
  namespace: Type.String({ minLength: 1, maxLength: 63 }),
  name: Type.String({ minLength: 1, maxLength: 253 }),
});

/** `/v1/services`: Services of type LoadBalancer; one by name whatever its type. */
export function serviceRoutes(app: FastifyInstance, view: AdminView): void {
  app.get<{ Querystring: Type.Static<typeof PageQuery> }>(
    '/v1/services',
    {
      schema: {
        summary: 'Services of type LoadBalancer, by key',
        querystring: PageQuery,
        response: { 200: ServicePage, 400: ErrorBody },
      },
    },
    (request) => {
      const services = [...view.snapshot().services.values()]
        .filter(({ type }) => type === 'LoadBalancer')
        .sort((a, b) => (a.key < b.key ? -1 : 1));
      return pageOf(
        services,
        ({ key }) => key,
        request.query,
        (service) => summaryOf(view, service),
      );
    },
  );

  app.get<{ Params: Type.Static<typeof Params> }>(
    '/v1/services/:namespace/:name',
    {
      schema: {
        summary: 'Everything that this process knows of one Service',
        params: Params,
        response: { 200: ServiceDetail, 404: ErrorBody },
      },
    },
    async (request) => {
      const key = objectKey(request.params.namespace, request.params.name);
      const service = view.snapshot().services.get(key);
      if (service) return await detailOf(view, service);
      throw new ApiError(
        404,
        'not_found',
        `There is no Service "${key}"`,
        'Look at /v1/services for the names, and at /v1/status for problems of the input',
      );
    },
  );
}
