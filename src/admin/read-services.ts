import { formatAddress } from '../domain/address.ts';
import type { ServiceForwarding } from '../domain/forwarding.ts';
import type { Service } from '../domain/service.ts';
import { isOurs } from '../domain/service-class.ts';
import type { ServiceDetail, ServiceSummary } from './api.ts';
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
import type { AdminView } from './view.ts';

/** Events of one Service in its detail. */
const EVENTS_IN_DETAIL = 20;

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
        return announcement ? [encodeAnnouncement(announcement)] : [];
      }),
    }),
  };
}

/** Everything that this process knows of a Service: what `tidegate explain` tells. */
export function detailOf(view: AdminView, service: Service): ServiceDetail {
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
        servers: plan.servers.map((server) => encodeServer(server, forwarding)),
      }),
    events: view.events(EVENTS_IN_DETAIL, service.key).map(encodeEvent),
    problems: problems.map(encodeProblem),
  };
}

/** Backends that take new flows, and all; one that serves two ports counts twice. */
function usableOf({ servers }: ServiceForwarding): { usable: number; total: number } {
  const backends = servers.flatMap((server) => server.backends);
  return {
    usable: backends.filter(({ use }) => use === 'active').length,
    total: backends.length,
  };
}
