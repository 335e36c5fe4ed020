/**
 * What runs in each Pod of the demo: a web server on port 8080 and a UDP echo on port 7007, which say
 * who answered and whom they saw asking. `/download?seconds=N` sends a body slowly, for N seconds.
 */
import { createSocket } from 'node:dgram';
import { createServer, type ServerResponse } from 'node:http';

const HTTP_PORT = 8080;
const ECHO_PORT = 7007;
const CHUNK = Buffer.alloc(16 * 1024, 'tidegate ');
const CHUNK_EVERY_MS = 50;

const name = process.env['POD_NAME'] ?? 'pod';
const node = process.env['NODE_NAME'] ?? 'node';

function answer(peer: string | undefined): string {
  return `${name} on ${node}, asked by ${peer?.replace(/^::ffff:/, '')}\n`;
}

function download(response: ServerResponse, seconds: number): void {
  let left = Math.round((seconds * 1000) / CHUNK_EVERY_MS);
  response.writeHead(200, { 'content-length': left * CHUNK.length, 'x-pod': name });
  const timer = setInterval(() => {
    response.write(CHUNK);
    left -= 1;
    if (left === 0) response.end();
    if (left === 0) clearInterval(timer);
  }, CHUNK_EVERY_MS);
  response.on('close', () => clearInterval(timer));
}

const web = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://pod');
  if (url.pathname === '/healthz') response.end('ok\n');
  else if (url.pathname === '/download')
    download(response, Number(url.searchParams.get('seconds') ?? 1));
  else response.end(answer(request.socket.remoteAddress));
});
const echo = createSocket('udp6');
echo.on('message', (message, peer) => {
  echo.send(`${answer(peer.address).trim()}: ${message}`, peer.port, peer.address);
});
echo.bind(ECHO_PORT, () => {
  web.listen(HTTP_PORT, '::', () => console.log('listening'));
});
