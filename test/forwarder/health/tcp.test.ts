import { createServer, type Server } from 'node:net';
import test from 'ava';
import { probeTcp } from '../../../src/forwarder/health/tcp.ts';
import { checkOf, listening, outcomeOf, timeWaits } from './support.ts';

test('probeTcp passes when the connection is accepted, and resets it', async (t) => {
  const errors: string[] = [];
  const server = createServer((socket) =>
    socket.on('error', ({ message }) => errors.push(message)).resume(),
  );
  await listening(server, '127.0.0.1', async (port) => {
    t.deepEqual(await outcomeOf(probeTcp, checkOf('127.0.0.1', port)), { pass: true });
    await closed(server);
    t.deepEqual(errors, ['read ECONNRESET']);
    t.deepEqual(timeWaits(port), []);
  });
});

test('probeTcp passes over IPv6', async (t) => {
  await listening(createServer(), '::1', async (port) => {
    t.deepEqual(await outcomeOf(probeTcp, checkOf('::1', port)), { pass: true });
  });
});

test('probeTcp says in words that a port refuses', async (t) => {
  const port = await listening(createServer(), '127.0.0.1', (free) => Promise.resolve(free));
  t.deepEqual(await outcomeOf(probeTcp, checkOf('127.0.0.1', port)), {
    pass: false,
    reason: 'connection refused',
  });
});

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      server.getConnections((_error, count) => (count === 0 ? resolve() : setTimeout(look, 5)));
    };
    look();
  });
}
