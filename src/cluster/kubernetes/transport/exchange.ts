import { type Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { ApiRequest } from './api-request.ts';
import type { Credentials } from './credentials.ts';

/** Pieces of this size keep a turn of the event loop short, and their number small. */
const PIECE_BYTES = 65_536;

/** An answer that is larger than its reader takes. */
export class AnswerTooLarge extends Error {
  readonly code = 'ANSWER_TOO_LARGE';
}

export interface ExchangeOptions {
  readonly agent: Agent;
  readonly credentials: Credentials;
  readonly userAgent: string;
  readonly signal: AbortSignal;
}

/**
 * Sends a request and resolves with the answer's head. A GET is sent again when the connection that
 * it went over had just been closed by the server.
 */
export async function exchange(
  request: ApiRequest,
  options: ExchangeOptions,
): Promise<IncomingMessage> {
  for (;;) {
    const { response, error, wasReused } = await sendOnce(request, options);
    if (response !== undefined) return response;
    const { code } = error as NodeJS.ErrnoException;
    const again = request.method === 'GET' && wasReused && !options.signal.aborted;
    if (!again || (code !== 'ECONNRESET' && code !== 'EPIPE')) throw error;
  }
}

interface Outcome {
  readonly response?: IncomingMessage;
  readonly error?: unknown;
  readonly wasReused: boolean;
}

function sendOnce(
  request: ApiRequest,
  { agent, credentials, userAgent, signal }: ExchangeOptions,
): Promise<Outcome> {
  const { server, headers } = credentials;
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  const send = credentials.tls === undefined ? httpRequest : httpsRequest;
  return new Promise((resolve) => {
    const sent = send({
      agent,
      signal,
      method: request.method,
      host: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port,
      path: pathOf(request, server),
      headers: {
        Accept: 'application/json',
        'Accept-Encoding': 'gzip',
        'User-Agent': userAgent,
        ...headers,
        ...(body === undefined
          ? {}
          : {
              'Content-Type': request.contentType ?? 'application/json',
              'Content-Length': Buffer.byteLength(body),
            }),
      },
    });
    sent.once('response', (response) => resolve({ response, wasReused: sent.reusedSocket }));
    // Stays: what happens to the connection after the head is told by the body, too.
    sent.on('error', (error) => resolve({ error, wasReused: sent.reusedSocket }));
    sent.end(body);
  });
}

function pathOf({ path, query }: ApiRequest, server: URL): string {
  const prefix = server.pathname.replace(/\/$/, '');
  const search = new URLSearchParams(query).toString();
  return `${prefix}${path}${search === '' ? '' : `?${search}`}`;
}

/** The body as it was before its transport. Must be read, or destroyed. */
export function bodyOf(response: IncomingMessage): Readable {
  if (response.headers['content-encoding'] !== 'gzip') return response;
  const plain = createGunzip({ chunkSize: PIECE_BYTES });
  // Errors of either end reach who reads.
  pipeline(response, plain, () => undefined);
  return plain;
}

/** The whole body. Rejects with AnswerTooLarge beyond `limit` bytes. */
export async function readBody(response: IncomingMessage, limit: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of bodyOf(response) as AsyncIterable<Uint8Array>) {
    size += piece.length;
    if (size > limit) throw new AnswerTooLarge(`more than ${limit} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}
