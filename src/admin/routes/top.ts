import type { FastifyInstance } from 'fastify';
import { formatAddress } from '../../domain/address.ts';
import { ErrorBody } from '../api.ts';
import { Top } from '../api-inspect.ts';
import type { ForwardingView } from '../view.ts';

/** `/v1/top`: what every port of every VIP carried, at one moment; who asks twice knows the rates. */
export function topRoute(
  app: FastifyInstance,
  forwarding: () => ForwardingView,
  monotonicMs: () => number,
): void {
  app.get(
    '/v1/top',
    {
      schema: {
        summary: 'Packets, bytes, flows and drops of every port of every VIP, in all',
        response: { 200: Top, 404: ErrorBody },
      },
    },
    () => {
      const view = forwarding();
      const totals = view.inspect.totals();
      const atMs = monotonicMs();
      const servers = [...(view.plan()?.servers.values() ?? [])];
      return {
        atMs,
        items: servers.flatMap(({ id, service, address, port, protocol }) => {
          const found = totals.get(id);
          return found
            ? [{ service, address: formatAddress(address), port, protocol, ...found }]
            : [];
        }),
        packets: Object.fromEntries(
          [...view.counters()].map(([name, count]) => [name, Number(count)]),
        ),
      };
    },
  );
}
