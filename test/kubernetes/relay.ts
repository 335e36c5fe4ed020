/**
 * `relay.ts SOCKET ADDRESS PORT`: a program that carries connections to a Unix socket on to a TCP
 * port. Started on a host of the lab it is a way in for processes outside of it.
 */
import { connect, createServer } from 'node:net';

const [path = '', host = '', port = ''] = process.argv.slice(2);

createServer((inner) => {
  const outer = connect({ host, port: Number(port) });
  inner.on('error', () => outer.destroy());
  outer.on('error', () => inner.destroy());
  inner.pipe(outer).pipe(inner);
}).listen(path);
