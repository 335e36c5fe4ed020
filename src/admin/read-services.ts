import { type Address, formatAddress } from '../domain/address.ts';
import type { ServiceForwarding } from '../domain/forwarding.ts';
import type { Service } from '../domain/service.ts';
import { isOurs } from '../domain/service-class.ts';
import type { Backend, Server, ServiceDetail, ServiceSummary } from './api.ts';
import {
  addressTexts,
  encodeAnnouncement,
  encodeConditions,
  encodeEvent,
  encodeProblem,
  encodeServer,
  encodeSpec,
  encodeStatusEvents,
} from './encode.ts';
import type { AdminView, ForwardingView } from './view.ts';

/** Events of one Service in its detail. */
const EVENTS_IN_DETAIL = 20;
/** Pods of one Service whose routes are looked up for its detail. */
const WAYS_IN_DETAIL = 64;

/** A Service in short: its address, and whether it is served and announced, as far as known. */
export function summaryOf(view: AdminView, service: Service): ServiceSummary {
  const { key } = service;
  const status = view.snapshot().statuses.get(key);
  const assignment = view.allocation?.assignments().get(key);
  const forwarding = view.forwarding?.plan()?.services.get(key);
  const addresses = assignment?.addresses ?? status?.addresses ?? [];
  const pool = assignment?.pool ?? status?.pool ?? '';
  const announcements = view.announcing?.announcements();
  return {
    service: key,
    ours: isOurs(service, view.loadBalancer),
    addresses: addressTexts(addresses),
    ...(pool !== '' && { pool }),
    ...(assignment?.refusal && { refusal: assignment.refusal }),
    ...(forwarding && {
      servable: forwarding.servable,
      reason: forwarding.reason,
      backends: usableOf(forwarding),
    }),
    ...(announcements && {
      announcements: addresses.flatMap((address) => {
        const announcement = announcements.get(formatAddress(address));
        return announcement ? [encodeAnnouncement(announcement, view)] : [];
      }),
    }),
  };
}

/** Everything that this process knows of a Service: what `tidegate explain` tells. */
export async function detailOf(view: AdminView, service: Service): Promise<ServiceDetail> {
  const status = view.snapshot().statuses.get(service.key);
  const { forwarding } = view;
  const plan = forwarding?.plan()?.services.get(service.key);
  const problems = view
    .problems()
    .filter(({ object }) => object?.kind === 'Service' && object.key === service.key);
  return {
    ...summaryOf(view, service),
    spec: encodeSpec(service),
    conditions: status ? encodeConditions(status) : [],
    statusEvents: status ? encodeStatusEvents(status) : [],
    ...(forwarding &&
      plan && {
        notes: [...plan.notes],
        servers: await serversOf(plan, forwarding),
      }),
    events: view.events(EVENTS_IN_DETAIL, service.key).map(encodeEvent),
    problems: problems.map(encodeProblem),
  };
}

/** Servers, with a closer look at the way to Pods that do not answer. */
async function serversOf(plan: ServiceForwarding, view: ForwardingView): Promise<Server[]> {
  const backends = plan.servers.flatMap((server) => server.backends);
  const silent = backends.filter(({ pod, check }) => {
    return pod !== undefined && check !== undefined && view.health(check)?.state === 'down';
  });
  const addresses = [...new Set(silent.map(({ address }) => address))].slice(0, WAYS_IN_DETAIL);
  const routers = await Promise.all(addresses.map((address) => view.defaultRouteTo(address)));
  const reasons = new Map<string, string>();
  for (const [index, address] of addresses.entries()) {
    const router = routers[index];
    if (router !== undefined) reasons.set(formatAddress(address), byDefaultRoute(router));
  }
  return plan.servers.map((server) => {
    const encoded = encodeServer(server, view);
    return { ...encoded, backends: encoded.backends.map((each) => withWay(each, reasons)) };
  });
}

function withWay(backend: Backend, reasons: ReadonlyMap<string, string>): Backend {
  const reason = reasons.get(backend.address);
  if (reason === undefined || backend.nextHop?.state !== 'resolved') return backend;
  return { ...backend, nextHop: { ...backend.nextHop, reason } };
}

function byDefaultRoute(router: Address): string {
  const what = `Only the default route leads to it, by way of ${formatAddress(router)}`;
  const remedy =
    'set forwarder.podRoutes to auto, have the CNI announce them by BGP, or add a route';
  return `${what}; if that router does not know the Pods, ${remedy}`;
}

/** Backends that take new flows, and all; one that serves two ports counts twice. */
function usableOf({ servers }: ServiceForwarding): { usable: number; total: number } {
  const backends = servers.flatMap((server) => server.backends);
  return {
    usable: backends.filter(({ use }) => use === 'active').length,
    total: backends.length,
  };
}
