import type { Address } from '../../domain/address.ts';
import { checkId, type HealthCheck, type HealthCheckSettings } from '../../domain/health.ts';
import type { Service } from '../../domain/service.ts';

/**
 * The health check of one backend: the settings' defaults, overridden by the Service's annotations.
 *
 * - A UDP port cannot be connected to: a TCP check without a port of its own becomes ICMP.
 * - Node targets with policy Local ask kube-proxy's `healthCheckNodePort`, which knows whether the
 *   node has a local endpoint (KEP-3836), unless an annotation names a kind.
 *
 * `undefined` when the kind is `none`.
 */
export function checkOf(
  service: Service,
  backend: { readonly address: Address; readonly port: number },
  protocol: 'TCP' | 'UDP',
  nodeTarget: boolean,
  defaults: HealthCheckSettings,
): HealthCheck | undefined {
  const settings = settingsOf(service, protocol, nodeTarget, defaults);
  if (settings.kind === 'none') return undefined;
  const port = settings.kind === 'icmp' ? 0 : settings.port === 0 ? backend.port : settings.port;
  return { id: checkId(backend.address, port, settings), address: backend.address, port, settings };
}

function settingsOf(
  service: Service,
  protocol: 'TCP' | 'UDP',
  nodeTarget: boolean,
  defaults: HealthCheckSettings,
): HealthCheckSettings {
  const asked = { ...defaults, ...service.healthCheck };
  const local = nodeTarget && service.externalTrafficPolicy === 'Local';
  if (local && service.healthCheckNodePort !== 0 && service.healthCheck.kind === undefined) {
    return {
      ...asked,
      kind: 'http',
      port: service.healthCheckNodePort,
      path: '/healthz',
      host: '',
      expectedStatus: [[200, 200]],
    };
  }
  const unconnectable = protocol === 'UDP' && asked.port === 0;
  return unconnectable && asked.kind !== 'none' ? { ...asked, kind: 'icmp' } : asked;
}
