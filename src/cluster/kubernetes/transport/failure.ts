import type { IncomingHttpHeaders } from 'node:http';
import { ApiError, type NoAnswer } from './api-error.ts';

/** Where and what, for messages. */
export interface Attempt {
  /** `GET https://10.0.0.1:6443/api/v1/services` */
  readonly what: string;
  /** Where the credentials come from. */
  readonly origin: string;
  /** What no message may hold. */
  readonly secrets: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Characters of the API's own message that are quoted. */
const MAX_QUOTED = 500;

/** Tells an answer other than 2xx. */
export function answerError({ status, headers, body }: Answer, attempt: Attempt): ApiError {
  const said = statusOf(body);
  const reason = said.reason || REASONS[status] || `Status${status}`;
  const quoted = said.message === '' ? '' : `: ${clean(said.message, attempt.secrets)}`;
  const remedy = remedyFor(status, said.message, attempt);
  return new ApiError(
    `${attempt.what}: ${status} ${reason}${quoted}${remedy === '' ? '' : `; ${remedy}`}`,
    { status, reason, retryAfterMs: retryAfterOf(headers, said.retryAfterSeconds) },
  );
}

/** What HTTP statuses are called where the API does not say. */
const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  502: 'BadGateway',
  503: 'ServiceUnavailable',
  504: 'GatewayTimeout',
};

interface Status {
  readonly reason: string;
  readonly message: string;
  readonly retryAfterSeconds: number | undefined;
}

/** What a `Status` object says; nothing when the text is none, which is then not quoted. */
function statusOf(body: string): Status {
  try {
    return decodeStatus(JSON.parse(body));
  } catch {
    return decodeStatus(undefined);
  }
}

function decodeStatus(value: unknown): Status {
  const { kind, reason, message, details } = Object(value) as Record<string, unknown>;
  if (kind !== 'Status') return { reason: '', message: '', retryAfterSeconds: undefined };
  const { retryAfterSeconds } = Object(details) as Record<string, unknown>;
  return {
    reason: typeof reason === 'string' ? reason : '',
    message: typeof message === 'string' ? message : '',
    retryAfterSeconds: typeof retryAfterSeconds === 'number' ? retryAfterSeconds : undefined,
  };
}

/** Tells a `Status` object that came inside an answer: the ERROR event of a watch. */
export function statusError(value: unknown, what: string): ApiError {
  const said = decodeStatus(value);
  const { code } = Object(value) as Record<string, unknown>;
  const status = typeof code === 'number' ? code : 0;
  const reason = said.reason || REASONS[status] || (status === 0 ? 'Garbage' : `Status${status}`);
  const message = clean(said.message, []);
  const seconds = said.retryAfterSeconds;
  return new ApiError(`${what}: ${status} ${reason}: ${message}`, {
    status,
    reason,
    retryAfterMs: seconds === undefined ? undefined : seconds * 1_000,
  });
}

function clean(message: string, secrets: readonly string[]): string {
  const line = secrets.reduce((text, secret) => text.replaceAll(secret, '…'), message);
  const plain = line.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return plain.length > MAX_QUOTED ? `${plain.slice(0, MAX_QUOTED)}…` : plain;
}

function retryAfterOf(headers: IncomingHttpHeaders, seconds: number | undefined) {
  const header = headers['retry-after'];
  const value = header !== undefined && /^\d{1,9}$/.test(header) ? Number(header) : seconds;
  return value === undefined || !(value >= 0) ? undefined : value * 1_000;
}

function remedyFor(status: number, message: string, { origin }: Attempt): string {
  if (status === 401) return `renew the credentials of ${origin}`;
  if (status === 403) {
    const wanted = /cannot (\S+) resource "([^"]+)"/.exec(message);
    const right = wanted ? `"${wanted[1]}" on ${wanted[2]}` : 'this';
    return `apply config/deploy, which grants ${right} to the roles that need it`;
  }
  if (status === 404 && message.includes('the server could not find the requested resource')) {
    return 'this kind is not installed; apply config/crds when it should be';
  }
  return status >= 300 && status < 400 ? 'set the server that it leads to' : '';
}

/** Tells why no answer came, or none that could be read. */
export function noAnswer(cause: unknown, attempt: Attempt): ApiError {
  if (cause instanceof ApiError) return cause;
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const [reason, remedy] = explain(code);
  const words = clean(message || code, attempt.secrets);
  return new ApiError(`${attempt.what}: ${words}${remedy === '' ? '' : `; ${remedy}`}`, {
    status: 0,
    reason,
    cause: code === '' ? undefined : { code },
  });
}

const CHECK_SERVER = 'check that the API server runs and that server and port are right';

const BY_CODE: Readonly<Record<string, readonly [NoAnswer, string]>> = {
  ECONNREFUSED: ['ConnectionRefused', CHECK_SERVER],
  ENOTFOUND: ['Unreachable', 'check the server’s name and the box’s resolver'],
  EAI_AGAIN: ['Unreachable', 'check the box’s resolver'],
  EHOSTUNREACH: ['Unreachable', 'check the box’s routes'],
  ENETUNREACH: ['Unreachable', 'check the box’s routes'],
  ETIMEDOUT: ['Timeout', CHECK_SERVER],
  EPROXY: ['Unreachable', 'check the proxy (proxy-url, HTTPS_PROXY, NO_PROXY)'],
  ABORT_ERR: ['Aborted', ''],
  ECONNABORTED: ['Aborted', ''],
  ANSWER_TOO_LARGE: ['TooLarge', ''],
  CERT_HAS_EXPIRED: ['Certificate', 'renew the API server’s certificate, or mend this box’s clock'],
  CERT_NOT_YET_VALID: ['Certificate', 'mend this box’s clock'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'Certificate',
    'use a name of the certificate as server, or set tls-server-name to one',
  ],
};

/** Codes of OpenSSL's verification of the other side. */
const UNTRUSTED = /^(DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_|CERT_|INVALID_CA|HOSTNAME_)/;

function explain(code: string): readonly [NoAnswer, string] {
  const known = BY_CODE[code];
  if (known !== undefined) return known;
  if (UNTRUSTED.test(code)) {
    return ['Certificate', 'set certificate-authority to the one that signed the API server'];
  }
  if (/ALERT/.test(code)) {
    return ['Certificate', 'the server refuses our client certificate: renew client-certificate'];
  }
  if (/^(ERR_SSL_|ERR_OSSL|EPROTO)/.test(code)) {
    return ['ConnectionLost', 'check that the port speaks TLS'];
  }
  if (/^(HPE_|Z_)/.test(code)) return ['Garbage', 'check what answers at this address'];
  return ['ConnectionLost', ''];
}
