/** Bytes of status line and headers, interim responses included, that are read before giving up. */
export const HEAD_LIMIT = 16_384;
/** Bytes of something that is not HTTP that are quoted. */
const QUOTED = 32;

/** What the bytes so far amount to. */
export type Head =
  | { readonly kind: 'unfinished' }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'wrong'; readonly reason: string };

/**
 * Reads the head of an HTTP/1 response (RFC 9112 §4) from Latin-1 text, leniently: a bare LF ends a
 * line, and header fields are not looked at. Interim responses (1xx) are passed over.
 *
 * @param ended nothing more will come
 */
export function readResponseHead(text: string, ended: boolean): Head {
  let start = 0;
  for (;;) {
    const head = readOne(text, start, ended);
    if (typeof head !== 'number') return head;
    start = head;
  }
}

/** Reads one head; a number is where the next one begins. */
function readOne(text: string, start: number, ended: boolean): Head | number {
  const begin = text.slice(start, start + 5);
  if (!'HTTP/'.startsWith(begin)) return wrong(`not HTTP: ${quote(text)}`);
  const lineEnd = text.indexOf('\n', start);
  const status = /^HTTP\/1\.\d (\d{3})[ \r\n]/.exec(text.slice(start, start + 13))?.[1];
  if (lineEnd >= 0 && status === undefined) return wrong(`not HTTP/1: ${quote(text)}`);
  const end = lineEnd < 0 ? -1 : endOfHead(text, lineEnd);
  if (end >= 0) {
    const code = Number(status);
    return code >= 100 && code < 200 && code !== 101 ? end : { kind: 'status', status: code };
  }
  if (text.length >= HEAD_LIMIT) return wrong(`response head longer than ${HEAD_LIMIT} bytes`);
  if (!ended) return { kind: 'unfinished' };
  const when = text === '' ? 'before a response' : 'in the middle of the response head';
  return wrong(`connection closed ${when}`);
}

/** Index after the empty line, or -1. `from` is the index of the status line's LF. */
function endOfHead(text: string, from: number): number {
  const bare = text.indexOf('\n\n', from);
  const full = text.indexOf('\n\r\n', from);
  if (bare < 0 && full < 0) return -1;
  return bare < 0 || (full >= 0 && full < bare) ? full + 3 : bare + 2;
}

function wrong(reason: string): Head {
  return { kind: 'wrong', reason };
}

function quote(text: string): string {
  const line = text.slice(0, QUOTED).split(/[\r\n]/, 1)[0] ?? '';
  return `"${line.replace(/[^\x20-\x7e]/g, '?')}"`;
}
