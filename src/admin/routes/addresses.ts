import type { FastifyInstance } from 'fastify';
import type Type from 'typebox';
import { formatAddress, parseAddress } from '../../domain/address.ts';
import { ErrorBody, PoolList, VipPage } from '../api.ts';
import { encodePool } from '../encode.ts';
import { PageQuery, pageOf } from '../page.ts';
import { vipIndex, vipOf } from '../read-vips.ts';
import type { AdminView } from '../view.ts';

/** `/v1/pools` and `/v1/vips`. */
export function addressRoutes(app: FastifyInstance, view: AdminView): void {
  const vips = vipIndex(view);
  app.get(
    '/v1/pools',
    { schema: { summary: 'Address pools, by name', response: { 200: PoolList } } },
    () => {
      const pools = [...view.snapshot().pools.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      const usage = view.allocation?.pools();
      return { items: pools.map((pool) => encodePool(pool, usage?.get(pool.name))) };
    },
  );

  app.get<{ Querystring: Type.Static<typeof PageQuery> }>(
    '/v1/vips',
    {
      schema: {
        summary: 'Addresses in use, by number: who has them, are they served and announced here',
        querystring: PageQuery,
        response: { 200: VipPage, 400: ErrorBody },
      },
    },
    (request) =>
      pageOf(
        vips(),
        ({ address }) => formatAddress(address),
        request.query,
        (use) => vipOf(view, use),
        (id, cursor) => (parseAddress(id) ?? 0n) > (parseAddress(cursor) ?? 0n),
      ),
  );
}
