import { type Address, formatAddress } from './address.ts';

/** How a backend is asked whether it works. */
export interface HealthCheckSettings {
  /** `none` trusts the cluster's readiness alone. */
  readonly kind: 'none' | 'tcp' | 'http' | 'https' | 'icmp';
  /** Port to check; 0 means the backend's own port. */
  readonly port: number;
  readonly path: string;
  /** `Host` header (and TLS server name); empty means the backend's address. */
  readonly host: string;
  /** HTTP statuses that count as healthy, inclusive ranges. */
  readonly expectedStatus: readonly (readonly [number, number])[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Successes in a row that turn `down` into `up`. */
  readonly rise: number;
  /** Failures in a row that turn `up` into `down`. */
  readonly fall: number;
}

/** One thing to probe. Backends of several Services with equal checks share one. */
export interface HealthCheck {
  readonly id: CheckId;
  readonly address: Address;
  /** Port to connect to; 0 for ICMP. */
  readonly port: number;
  readonly settings: HealthCheckSettings;
}

/** Canonical text of a check: equal checks have equal ids. */
export type CheckId = string;

export type HealthState = 'up' | 'down';

/** What is known of a check. A check with no entry has not been answered yet. */
export interface CheckHealth {
  readonly state: HealthState;
  /** ms since 1970. */
  readonly sinceMs: number;
  /** Last failure in words, empty while up: `connection refused`, `status 503, expected 200-399`. */
  readonly reason: string;
  /** HTTP status of the last failure, when it was an answer. */
  readonly status?: number;
}

export function checkId(address: Address, port: number, settings: HealthCheckSettings): CheckId {
  const { kind, path, host, expectedStatus, intervalMs, timeoutMs, rise, fall } = settings;
  const http = kind === 'http' || kind === 'https';
  const what = http
    ? `${path} ${host} ${expectedStatus.map((range) => range.join('-')).join(',')}`
    : '';
  return `${kind} ${formatAddress(address)} ${port} ${what} ${intervalMs}/${timeoutMs} ${rise}/${fall}`;
}

/** What a check asks, for people: `tcp 10.1.0.1:8080`, `icmp 10.1.0.1`. */
export function describeCheck({ address, port, settings }: HealthCheck): string {
  const host = formatAddress(address);
  if (settings.kind === 'icmp') return `icmp ${host}`;
  return `${settings.kind} ${host.includes(':') ? `[${host}]` : host}:${port}`;
}
