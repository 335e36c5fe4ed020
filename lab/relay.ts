/**
 * `relay.ts FROM TO`: a program that carries connections on, each a Unix socket's path or
 * `ADDRESS:PORT`. Started on a host of the lab it is a way in for processes outside of it, or a way out
 * for those on it.
 */
import { connect, createServer, type NetConnectOpts } from 'node:net';

const [from = '', to = ''] = process.argv.slice(2);

createServer((inner) => {
  const outer = connect(place(to));
  inner.on('error', () => outer.destroy());
  outer.on('error', () => inner.destroy());
  inner.pipe(outer).pipe(inner);
}).listen(place(from));

function place(text: string): NetConnectOpts {
  if (text.startsWith('/')) return { path: text };
  const [host = '', port = ''] = text.split(':');
  return { host, port: Number(port) };
}
