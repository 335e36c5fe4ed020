import type { FastifyInstance } from 'fastify';
import { roleAbsent } from '../api-error.ts';
import type { InspectView } from '../inspect-view.ts';
import type { AdminView } from '../view.ts';
import { captureRoutes } from './capture.ts';
import { traceRoutes } from './trace.ts';

/** Looking inside the running program: the forwarder's. */
export function inspectRoutes(app: FastifyInstance, view: AdminView): void {
  const inspect = (): InspectView => {
    if (view.forwarding) return view.forwarding.inspect;
    throw roleAbsent('forwarder', view.identity.instance);
  };
  traceRoutes(app, inspect);
  captureRoutes(app, inspect, view.identity.version);
}
