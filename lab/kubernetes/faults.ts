import { randomBytes } from 'node:crypto';
import { Transform } from 'node:stream';
import { type Behaviour, type Exchange, pass } from './fault-proxy.ts';

/** What can go wrong with a request to an API server; a test gives them to `rule()` of the proxy. */

/** As an RST overtakes what was written before it, that gets a start. */
const HEAD_START_MS = 50;

/** Takes the request and never answers. */
export function hang(): void {}

/** Breaks the connection instead of answering. */
export function refuse({ reset }: Exchange): void {
  reset();
}

/** Objects are sent as JSON. */
export function answer(
  status: number,
  body: string | Buffer | object = '',
  headers: Readonly<Record<string, string>> = {},
): Behaviour {
  const asIs = typeof body === 'string' || Buffer.isBuffer(body);
  return ({ response }) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(asIs ? body : JSON.stringify(body));
  };
}

/** An error in the API's own form: `refusal(429, 'TooManyRequests', {'retry-after': '1'})`. */
export function refusal(
  code: number,
  reason: string,
  headers: Readonly<Record<string, string>> = {},
): Behaviour {
  const message = `${reason} by the test`;
  const status = { apiVersion: 'v1', kind: 'Status', status: 'Failure', message, reason, code };
  return answer(code, status, headers);
}

/** A success with a page of something in between that wants a password. */
export const loginPage: Behaviour = answer(200, '<!doctype html><title>Log in</title>', {
  'content-type': 'text/html',
});

/** A success with 4 KiB of noise. */
export function noise(exchange: Exchange): void {
  answer(200, randomBytes(4096))(exchange);
}

/** Something else's list, complete and empty. */
export const otherKind: Behaviour = answer(200, {
  apiVersion: 'v1',
  kind: 'PodTemplateList',
  metadata: { resourceVersion: '1' },
  items: [],
});

/** The server's answer up to the middle of its first line (a list: its first piece), then the end. */
export function halfLine({ forward }: Exchange): void {
  let cut = false;
  const change = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (!cut) {
        const end = chunk.indexOf('\n');
        this.push(chunk.subarray(0, (end < 0 ? chunk.length : end) >> 1));
        this.push(null);
      }
      cut = true;
      done();
    },
  });
  forward({ change });
}

/** The first bytes of the server's answer, then a broken connection (RST). */
export function cutAfter(bytes: number): Behaviour {
  return ({ forward, reset }) => {
    let left = bytes;
    const change = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        if (left > 0) {
          this.push(chunk.subarray(0, left));
          if (chunk.length >= left) setTimeout(reset, HEAD_START_MS);
        }
        left -= chunk.length;
        done();
      },
      // Never an end: the connection breaks.
      flush() {},
    });
    forward({ change });
  };
}

/** The server hears of the request only after a time. */
export function delayed(ms: number, then: Behaviour = pass): Behaviour {
  return (exchange) => {
    setTimeout(() => then(exchange), ms);
  };
}

/** The server gets the request and does what it says; the answer is lost with the connection. */
export function answerLost({ forward, reset }: Exchange): void {
  const change = new Transform({
    transform(_chunk, _encoding, done) {
      reset();
      done();
    },
    flush() {},
  });
  forward({ change });
}

/** An event of a watch, as it stands in the stream. */
export interface StreamedEvent {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it watches
  readonly object: any;
}

/** A watch that loses the events that match; for rules on `/watch=/`. */
export function dropEvents(match: (event: StreamedEvent) => boolean): Behaviour {
  return ({ forward }) => {
    let rest = '';
    const change = new Transform({
      decodeStrings: true,
      transform(chunk: Buffer, _encoding, done) {
        // Latin-1 keeps every byte as it is, also where a piece ends within a character.
        const lines = (rest + chunk.toString('latin1')).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const bytes = Buffer.from(`${line}\n`, 'latin1');
          if (!match(JSON.parse(bytes.toString()))) this.push(bytes);
        }
        done();
      },
    });
    forward({ change });
  };
}

/** Another API server answers: a second one, or an older one. */
export function toServer(server: string): Behaviour {
  return ({ forward }) => forward({ server });
}
