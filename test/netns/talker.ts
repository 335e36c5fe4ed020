/**
 * TCP conversations in which one side is silent until the other has spoken, as programs for hosts of
 * the lab. `node talker.ts serve <first> <port>`: `server` greets and then echoes, `client` only
 * echoes. `node talker.ts talk <first> <host> <port> <count>`: so many conversations, one after the
 * other; prints one JSON line with how long each took, in ms, -1 when it failed.
 */
import { connect, createServer } from 'node:net';

type First = 'client' | 'server';

const GREETING = 'hello\n';
const QUESTION = 'question\n';
const TIMEOUT_MS = 3000;

const [role, first, ...rest] = process.argv.slice(2);
if (process.argv[1] === import.meta.filename) {
  if (role === 'serve') serve(first as First, Number(rest[0]));
  else await talk(first as First, rest[0] ?? '', Number(rest[1]), Number(rest[2]));
}

function serve(first: First, port: number): void {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    if (first === 'server') socket.write(GREETING);
    socket.pipe(socket);
  });
  server.listen({ port, host: '::', backlog: 1024 }, () => console.log('LISTENING'));
}

async function talk(first: First, host: string, port: number, count: number): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const startedMs = performance.now();
    const whole = await converse(first, host, port);
    times.push(whole ? Math.round(performance.now() - startedMs) : -1);
  }
  console.log(JSON.stringify(times));
}

/** Whether greeting (of a server that speaks first) and echo came whole, and the end after them. */
function converse(first: First, host: string, port: number): Promise<boolean> {
  const wanted = first === 'server' ? GREETING + QUESTION : QUESTION;
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    let heard = '';
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
    socket.setEncoding('utf8');
    socket.on('connect', () => {
      if (first === 'client') socket.write(QUESTION);
    });
    socket.on('data', (text) => {
      heard += text;
      if (heard === GREETING && first === 'server') socket.write(QUESTION);
      if (heard === wanted) socket.end();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(heard === wanted));
  });
}
