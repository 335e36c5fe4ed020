import { existsSync, readFileSync } from 'node:fs';

/** A request that an API server has dealt with. Texts are empty where nothing applies. */
export interface AuditEvent {
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`. */
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly user: string;
  readonly userAgent: string;
  /** HTTP status. */
  readonly code: number;
  /** `ResponseStarted` (a watch), `ResponseComplete`, `Panic`. */
  readonly stage: string;
  readonly uri: string;
  /** When it came in, ms since 1970. */
  readonly atMs: number;
  /** Both only at the level RequestResponse. */
  readonly requestObject: unknown;
  readonly responseObject: unknown;
}

/** Verbs that change something. */
export const WRITES: readonly string[] = [
  'create',
  'update',
  'patch',
  'delete',
  'deletecollection',
];

/** Whether this is a write by somebody else than the test's admin, that was let through. */
export function isForeignWrite({ verb, user, code }: AuditEvent): boolean {
  return WRITES.includes(verb) && user !== 'admin' && code < 300;
}

/** Empty while nothing was written. */
export function readAuditLog(path: string): readonly AuditEvent[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => decode(JSON.parse(line)));
}

// biome-ignore lint/suspicious/noExplicitAny: the API server's own words
function decode(event: any): AuditEvent {
  const object = event.objectRef ?? {};
  return {
    verb: event.verb,
    group: object.apiGroup ?? '',
    resource: object.resource ?? '',
    subresource: object.subresource ?? '',
    namespace: object.namespace ?? '',
    name: object.name ?? '',
    user: event.user?.username ?? '',
    userAgent: event.userAgent ?? '',
    code: event.responseStatus?.code ?? 0,
    stage: event.stage,
    uri: event.requestURI,
    atMs: Date.parse(event.requestReceivedTimestamp),
    requestObject: event.requestObject,
    responseObject: event.responseObject,
  };
}
