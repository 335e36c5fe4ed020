import test from 'ava';
import fc from 'fast-check';
import { HEAD_LIMIT, readResponseHead } from '../../../src/forwarder/health/response-head.ts';

const status = (code: number) => ({ kind: 'status', status: code });
const wrong = (reason: string) => ({ kind: 'wrong', reason });
const UNFINISHED = { kind: 'unfinished' };

const CASES: readonly (readonly [string, boolean, { readonly kind: string }])[] = [
  ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', false, status(200)],
  ['HTTP/1.0 503 Service Unavailable\r\n\r\n', false, status(503)],
  ['HTTP/1.1 204\r\n\r\n', false, status(204)],
  ['HTTP/1.1 200 OK\nServer: old\n\nbody', false, status(200)],
  ['HTTP/1.1 200 OK\n\r\n', false, status(200)],
  ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', false, status(200)],
  ['HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 500 No\r\n\r\n', true, status(500)],
  ['HTTP/1.1 101 Switching Protocols\r\n\r\n', false, status(101)],
  ['', false, UNFINISHED],
  ['HT', false, UNFINISHED],
  ['HTTP/1.1 200 OK\r\n', false, UNFINISHED],
  ['HTTP/1.1 200 OK\r\nServer: x\r\n\r', false, UNFINISHED],
  ['HTTP/1.1 100 Continue\r\n\r\n', false, UNFINISHED],
  ['', true, wrong('connection closed before a response')],
  ['HTTP/1.1 2', true, wrong('connection closed in the middle of the response head')],
  ['HTTP/1.1 200 OK\r\n', true, wrong('connection closed in the middle of the response head')],
  ['SSH-2.0-OpenSSH_9.2\r\n', false, wrong('not HTTP: "SSH-2.0-OpenSSH_9.2"')],
  ['\x15\x03\x01\x00\x02\x02', false, wrong('not HTTP: "??????"')],
  ['HTTP/2 200\r\n\r\n', false, wrong('not HTTP/1: "HTTP/2 200"')],
  ['HTTP/1.1 abc\r\n\r\n', false, wrong('not HTTP/1: "HTTP/1.1 abc"')],
  ['HTTP/1.1 2000\r\n\r\n', false, wrong('not HTTP/1: "HTTP/1.1 2000"')],
];

test('readResponseHead() reads what servers send', (t) => {
  for (const [text, ended, expected] of CASES) {
    t.deepEqual(readResponseHead(text, ended), expected as never, JSON.stringify(text));
  }
});

test('readResponseHead() gives up at the limit', (t) => {
  const start = 'HTTP/1.1 200 OK\r\nX: ';
  const long = start.padEnd(HEAD_LIMIT, 'x');
  t.deepEqual(
    readResponseHead(long, false),
    wrong(`response head longer than ${HEAD_LIMIT} bytes`) as never,
  );
  t.deepEqual(readResponseHead(long.slice(0, -1), false), UNFINISHED as never);
});

test('readResponseHead() says the same however the bytes are cut', (t) => {
  for (const [text] of CASES.filter(([, ended, { kind }]) => !ended && kind === 'status')) {
    let first = readResponseHead('', false);
    for (let size = 0; first.kind === 'unfinished'; size++) {
      t.true(size <= text.length);
      first = readResponseHead(text.slice(0, size), false);
    }
    t.deepEqual(first, readResponseHead(text, true));
  }
});

test('readResponseHead() is never undecided about a connection that ended', (t) => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string().map((rest) => `HTTP/1.1 ${rest}`),
  );
  fc.assert(fc.property(text, (bytes) => t.not(readResponseHead(bytes, true).kind, 'unfinished')));
});
