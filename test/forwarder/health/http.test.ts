import { execFileSync } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import test from 'ava';
import type { HealthCheckSettings } from '../../../src/domain/health.ts';
import { probeHttp } from '../../../src/forwarder/health/http.ts';
import { checkOf, listening, outcomeOf, timeWaits } from './support.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok';
const PASS = { pass: true };

/** A server that calls `answer` with each request's head. */
function answering(answer: (socket: Socket, request: string) => void): Server {
  return createServer((socket) => {
    let request = '';
    socket.on('data', (bytes) => {
      request += bytes.toString('latin1');
      if (request.endsWith('\r\n\r\n')) answer(socket, request);
    });
  });
}

async function probed(
  server: Server,
  settings: Partial<HealthCheckSettings> = {},
  host = '127.0.0.1',
  stopMs = 5_000,
) {
  const kind = 'http';
  return listening(server, host, (port) =>
    outcomeOf(probeHttp, checkOf(host, port, { kind, ...settings }), stopMs),
  );
}

test('probeHttp passes on an expected status, with keep-alive or without', async (t) => {
  t.deepEqual(await probed(answering((socket) => socket.end(OK))), PASS);
  t.deepEqual(await probed(answering((socket) => void socket.write(OK))), PASS);
  t.deepEqual(
    await probed(
      answering((socket) => socket.end(OK)),
      {},
      '::1',
    ),
    PASS,
  );
});

test('probeHttp leaves no TIME_WAIT entry when it closes first', async (t) => {
  await listening(
    answering((socket) => void socket.write(OK)),
    '127.0.0.1',
    async (port) => {
      t.deepEqual(await outcomeOf(probeHttp, checkOf('127.0.0.1', port, { kind: 'http' })), PASS);
      t.deepEqual(timeWaits(port), []);
    },
  );
});

test('probeHttp asks for the path, with the address and port as host', async (t) => {
  let asked = '';
  const server = answering((socket, request) => {
    asked = request;
    socket.end(OK);
  });
  const port = await listening(server, '127.0.0.1', async (port) => {
    const check = checkOf('127.0.0.1', port, { kind: 'http', path: '/healthz?full=1' });
    await outcomeOf(probeHttp, check);
    return port;
  });
  const [line, ...fields] = asked.trimEnd().split('\r\n');
  t.is(line, 'GET /healthz?full=1 HTTP/1.1');
  t.is(fields[0], `Host: 127.0.0.1:${port}`);
  t.is(fields[1], 'User-Agent: tidegate-health/1');
  t.true(fields.includes('Connection: close'));
});

test('probeHttp sends the host that is set, and no setting can add a line', async (t) => {
  let asked = '';
  const server = answering((socket, request) => {
    asked = request;
    socket.end(OK);
  });
  await probed(server, { host: 'shop.example', path: '/a b\r\nX-Evil: 1\r\n\r\n' });
  t.true(asked.includes('\r\nHost: shop.example\r\n'));
  t.true(asked.startsWith('GET /a%20b%0D%0AX-Evil:%201%0D%0A%0D%0A HTTP/1.1\r\n'), asked);
});

test('probeHttp fails on another status and says which were expected', async (t) => {
  const server = answering((socket) => socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n'));
  t.deepEqual(await probed(server), {
    pass: false,
    status: 503,
    reason: 'status 503, expected 200-399',
  });
  const ranges = [
    [200, 200],
    [301, 302],
  ] as const;
  t.deepEqual(await probed(server, { expectedStatus: ranges }), {
    pass: false,
    status: 503,
    reason: 'status 503, expected 200, 301-302',
  });
  t.deepEqual(await probed(server, { expectedStatus: [[503, 503]] }), PASS);
});

test('probeHttp reads an answer that comes byte by byte', async (t) => {
  const server = answering((socket) => {
    socket.setNoDelay(true);
    for (const [index, byte] of [...OK].entries()) setTimeout(() => socket.write(byte), index);
  });
  t.deepEqual(await probed(server), PASS);
});

test('probeHttp fails in words when the answer never becomes whole', async (t) => {
  const cases: [(socket: Socket) => void, string][] = [
    [(socket) => socket.end(), 'connection closed before a response'],
    [(socket) => socket.resetAndDestroy(), 'connection reset'],
    [
      (socket) => socket.end('HTTP/1.1 200 OK\r\nServer: '),
      'connection closed in the middle of the response head',
    ],
    [
      (socket) => socket.end(`HTTP/1.1 200 OK\r\nCookie: ${'x'.repeat(1_000_000)}\r\n\r\n`),
      'response head longer than 16384 bytes',
    ],
    [(socket) => socket.end('220 mail.example ESMTP\r\n'), 'not HTTP: "220 mail.example ESMTP"'],
  ];
  for (const [answer, reason] of cases) {
    t.deepEqual(await probed(answering(answer)), { pass: false, reason });
  }
});

test('probeHttp takes a server that accepts and closes at once for broken', async (t) => {
  const server = createServer((socket) => socket.end());
  const outcome = (await probed(server)) as { pass: boolean; reason: string };
  t.false(outcome.pass);
  t.regex(outcome.reason, /^connection (closed|reset)/);
});

test('probeHttp stopped while a server is slow says what it was waiting for', async (t) => {
  const stopped = { stoppedAt: ' waiting for the response' };
  t.deepEqual(
    await probed(
      answering(() => undefined),
      {},
      '127.0.0.1',
      100,
    ),
    stopped,
  );
  const half = answering((socket) => void socket.write('HTTP/1.1 200'));
  t.deepEqual(await probed(half, {}, '127.0.0.1', 100), stopped);
});

test('probeHttp does not care for a body without end', async (t) => {
  const server = answering((socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write('x'.repeat(65_536)));
    };
    socket.on('drain', more);
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    more();
  });
  t.deepEqual(await probed(server), PASS);
});

test('probeHttp over TLS takes a self-signed certificate and sends the name that is set', async (t) => {
  const names: (string | false | null)[] = [];
  const server = tlsAnswering((socket) => names.push(socket.servername ?? null));
  const settings = { kind: 'https' } as const;
  t.deepEqual(await probed(server, { ...settings, host: 'shop.example:8443' }), PASS);
  t.deepEqual(await probed(server, settings), PASS);
  t.deepEqual(await probed(server, { ...settings, host: '192.0.2.1' }), PASS);
  t.deepEqual(names, ['shop.example', false, false]);
});

test('probeHttp over TLS says in words what is wrong with a server that speaks none', async (t) => {
  const plain = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const outcome = (await probed(plain, { kind: 'https' })) as { reason: string };
  t.regex(outcome.reason, /^TLS: [a-z ]+$/);
  const mute = createServer();
  t.deepEqual(await probed(mute, { kind: 'https' }, '127.0.0.1', 100), {
    stoppedAt: ' waiting for the TLS handshake',
  });
});

function tlsAnswering(onConnection: (socket: TLSSocket) => void): Server {
  const made = execFileSync(
    'openssl',
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout - -days 2 -subj /CN=x'.split(
      ' ',
    ),
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return createTlsServer({ key: made, cert: made }, (socket) => {
    onConnection(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(OK));
  });
}
