/**
 * Sends one UDP datagram and prints the answer; exit code 1 when none comes within a second.
 *
 *     node ask-udp.ts ADDRESS PORT TEXT
 */
import { createSocket } from 'node:dgram';

const TIMEOUT_MS = 1000;

const [address = '', port = '7', text = ''] = process.argv.slice(2);
const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
const timer = setTimeout(() => {
  console.error(`no answer within ${TIMEOUT_MS} ms`);
  process.exit(1);
}, TIMEOUT_MS);
socket.on('message', (answer) => {
  console.log(answer.toString());
  clearTimeout(timer);
  socket.close();
});
socket.send(text, Number(port), address);
