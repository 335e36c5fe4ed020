import type { Backend, Problem, Server, ServiceDetail } from '../admin/api.ts';
import { endpoint } from './format.ts';
import { otherBox, reasonText } from './reasons.ts';

/** What the user of a Service can do next, most important first; empty when it works. */
export function nextSteps(detail: ServiceDetail, roles: ReadonlySet<string>): string[] {
  const { spec } = detail;
  if (spec.type !== 'LoadBalancer') {
    return [`It is of type ${spec.type}. Set spec.type to LoadBalancer to give it an address.`];
  }
  if (!detail.ours) {
    return [
      spec.class === undefined
        ? 'It names no class, and loadBalancer.handleUnclassed is off. ' +
          'Set spec.loadBalancerClass to the class in the settings.'
        : `Its class is "${spec.class}", which another load balancer serves. ` +
          'A class cannot be changed: create the Service anew with the class in the settings.',
    ];
  }
  return [
    ...detail.problems
      .filter(({ severity, file }) => severity === 'error' && file !== undefined)
      .map(manifestStep),
    ...allocationSteps(detail, roles),
    ...(detail.addresses.length > 0 ? trafficSteps(detail, roles) : []),
  ];
}

function manifestStep({ file, line, remedy }: Problem): string {
  const where = [file, line].filter((part) => part !== undefined).join(':');
  return `Mend ${where}; until then its last good version is in force. ${remedy}.`;
}

function allocationSteps(detail: ServiceDetail, roles: ReadonlySet<string>): string[] {
  const { refusal, addresses } = detail;
  if (refusal) return [`${refusal.remedy} (${refusal.field}).`];
  if (addresses.length > 0) return [];
  return roles.has('controller')
    ? ['The controller has not decided yet. Look again in a second.']
    : ['No controller answers on this box. Start it, or look on the box that runs it.'];
}

function trafficSteps(detail: ServiceDetail, roles: ReadonlySet<string>): string[] {
  if (!roles.has('forwarder')) {
    return ['No forwarder answers on this box. Start it, or look on the box that runs it.'];
  }
  if (!detail.servers) return ['The forwarder does not know it yet. Look again in a second.'];
  const steps = detail.servers.flatMap((server) => serverSteps(server, detail));
  if (steps.length > 0) return [...new Set(steps)];
  if (!roles.has('speaker')) {
    return ['No speaker answers on this box. Start it, or look on the box that runs it.'];
  }
  return (detail.announcements ?? [])
    .filter((one) => !one.announced && otherBox(one) === '')
    .map(({ address, reason }) => `${address} is not announced: ${reasonText(reason)}.`);
}

function serverSteps(server: Server, detail: ServiceDetail): string[] {
  const where = `${endpoint(server.address, server.port)}/${server.protocol}`;
  if (server.installed?.state === 'failed') {
    return [`${where} is not in the kernel: ${server.installed.error}.`];
  }
  if (server.backends.length === 0) return [noBackends(where, detail)];
  const lost = server.backends.filter(({ nextHop }) => nextHop?.state === 'unreachable');
  const doubtful = server.backends.filter(
    ({ nextHop }) => nextHop?.state === 'resolved' && nextHop.reason !== '',
  );
  const wayOut = [
    ...lost.map(
      ({ id, nextHop }) => `Packets cannot get to the backend ${id}: ${nextHop?.reason}.`,
    ),
    ...doubtful.map(({ id, nextHop }) => `The backend ${id} does not answer. ${nextHop?.reason}.`),
  ];
  if (server.backends.some(({ use }) => use === 'active')) {
    return [...failingStep(where, server.backends), ...wayOut];
  }
  return [`No backend of ${where} takes new flows: ${whyNot(server.backends)}.`, ...wayOut];
}

/** Used although its check fails: all of them do (fail-open). */
function failingStep(where: string, backends: readonly Backend[]): string[] {
  const active = backends.filter(({ use }) => use === 'active');
  const failing = active.find(({ health }) => health?.state === 'down');
  if (!failing || active.some(({ health }) => health?.state !== 'down')) return [];
  const how = `Try from this box: nc -vz ${failing.address} ${failing.port}`;
  return [`Every health check of ${where} fails: ${failing.health?.reason}. ${how}.`];
}

function noBackends(where: string, { spec, service }: ServiceDetail): string {
  const [namespace, name] = service.split('/');
  const slice =
    `an EndpointSlice in the namespace ${namespace} ` +
    `with the label kubernetes.io/service-name=${name}`;
  return spec.selector === ''
    ? `${where} has no backend, and the Service has no selector: write ${slice}.`
    : `${where} has no backend. See whether Pods match "${spec.selector}", and whether ${slice} lists them.`;
}

/** The reasons of backends, each once, with how to go after a failed check. */
function whyNot(backends: readonly Backend[]): string {
  const reasons = [...new Set(backends.map(({ reason, use }) => reason || use))].slice(0, 3);
  const down = backends.find(({ health }) => health?.state === 'down');
  const hint = down ? `. Try from this box: nc -vz ${down.address} ${down.port}` : '';
  return reasons.join('; ') + hint;
}
