import type { Address } from '../../domain/address.ts';
import { checkId, type HealthCheck, type HealthCheckSettings } from '../../domain/health.ts';
import type { Node } from '../../domain/node.ts';
import type { Service } from '../../domain/service.ts';
import type { ForwardSettings } from './forward-settings.ts';

/**
 * The health check of one backend: the settings' defaults, overridden by the Service's annotations.
 *
 * - A UDP port cannot be connected to: a TCP check without a port of its own becomes ICMP.
 * - Where nodes are not checked by themselves, node targets with policy Local ask kube-proxy's
 *   `healthCheckNodePort`, which knows whether the node has a local endpoint, unless an annotation
 *   names a kind.
 *
 * `undefined` when the kind is `none`.
 */
export function checkOf(
  service: Service,
  backend: { readonly address: Address; readonly port: number },
  protocol: 'TCP' | 'UDP',
  nodeTarget: boolean,
  { health, nodeHealth }: Pick<ForwardSettings, 'health' | 'nodeHealth'>,
): HealthCheck | undefined {
  const asksKubeProxy = nodeTarget && nodeHealth === 'off';
  const settings = settingsOf(service, protocol, asksKubeProxy, health);
  if (settings.kind === 'none') return undefined;
  const port = settings.kind === 'icmp' ? 0 : settings.port === 0 ? backend.port : settings.port;
  return { id: checkId(backend.address, port, settings), address: backend.address, port, settings };
}

/** Where kube-proxy answers for the whole node (its `healthzBindAddress`). */
const KUBE_PROXY_PORT = 10_256;

/**
 * The check of the node itself (KEP-3836): kube-proxy answers 503 while the node is being deleted or
 * its rules are out of date; with policy Local on the Service's own port, also while the node has no
 * ready endpoint. By the settings' defaults and the node's first address, whatever the Service says
 * and whichever its family, so that all Services share one check a node.
 */
export function nodeCheckOf(
  service: Service,
  node: Node | undefined,
  { health, nodeHealth }: Pick<ForwardSettings, 'health' | 'nodeHealth'>,
): HealthCheck | undefined {
  const [address] = node?.internalAddresses ?? [];
  if (nodeHealth === 'off' || address === undefined) return undefined;
  const port = localPort(service) || KUBE_PROXY_PORT;
  const settings = healthz(health, port);
  return { id: checkId(address, port, settings), address, port, settings };
}

/** kube-proxy's port of this Service alone; 0 when it has none. */
function localPort({ externalTrafficPolicy, healthCheckNodePort }: Service): number {
  return externalTrafficPolicy === 'Local' ? healthCheckNodePort : 0;
}

function healthz(settings: HealthCheckSettings, port: number): HealthCheckSettings {
  const asked = { kind: 'http' as const, port, path: '/healthz', host: '' };
  return { ...settings, ...asked, expectedStatus: [[200, 200]] };
}

function settingsOf(
  service: Service,
  protocol: 'TCP' | 'UDP',
  asksKubeProxy: boolean,
  defaults: HealthCheckSettings,
): HealthCheckSettings {
  const asked = { ...defaults, ...service.healthCheck };
  const port = asksKubeProxy ? localPort(service) : 0;
  if (port !== 0 && service.healthCheck.kind === undefined) return healthz(asked, port);
  const unconnectable = protocol === 'UDP' && asked.port === 0;
  return unconnectable && asked.kind !== 'none' ? { ...asked, kind: 'icmp' } : asked;
}
