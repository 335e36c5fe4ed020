import type { FastifyInstance } from 'fastify';
import { roleAbsent } from '../api-error.ts';
import type { AdminView, ForwardingView } from '../view.ts';
import { captureRoutes } from './capture.ts';
import { topRoute } from './top.ts';
import { traceRoutes } from './trace.ts';

/** Looking inside the running program: the forwarder's. */
export function inspectRoutes(app: FastifyInstance, view: AdminView): void {
  const forwarding = (): ForwardingView => {
    if (view.forwarding) return view.forwarding;
    throw roleAbsent('forwarder', view.identity.instance);
  };
  const inspect = () => forwarding().inspect;
  traceRoutes(app, inspect);
  captureRoutes(app, inspect, view.identity.version);
  topRoute(app, forwarding, () => performance.now());
}
