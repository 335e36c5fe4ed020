/**
 * A client that never stops, for a host of the lab: one UDP flow, a numbered datagram every few
 * milliseconds, and how long its answers stayed away.
 *
 * `node steady-client.ts <host> <port> <milliseconds>` prints READY with the first answer, and one
 * JSON line (`SteadyResult`) at the end.
 */
import { createSocket } from 'node:dgram';

export interface SteadyResult {
  readonly sent: number;
  readonly answered: number;
  readonly longestGapMs: number;
  /** Names that servers gave (`traffic.ts serve`), in order of appearance. */
  readonly answeredBy: readonly string[];
}

const EVERY_MS = 10;
/** For answers that are on their way at the end. */
const GRACE_MS = 300;

if (process.argv[1] === import.meta.filename) main();

function main(): void {
  const [host = '', port = '', duration = ''] = process.argv.slice(2);
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const names = new Set<string>();
  let sent = 0;
  let answered = 0;
  let longestGapMs = 0;
  let lastMs = performance.now();
  const noteGap = () => {
    longestGapMs = Math.max(longestGapMs, performance.now() - lastMs);
  };
  socket.on('message', (datagram) => {
    if (answered === 0) console.log('READY');
    else noteGap();
    answered += 1;
    lastMs = performance.now();
    names.add(datagram.toString('utf8', 0, datagram.indexOf(10)));
  });
  const timer = setInterval(() => {
    sent += 1;
    socket.send(String(sent), Number(port), host);
  }, EVERY_MS);
  setTimeout(() => {
    clearInterval(timer);
    noteGap();
    setTimeout(report, GRACE_MS);
  }, Number(duration));
  const report = () => {
    const answeredBy = [...names];
    const result: SteadyResult = {
      sent,
      answered,
      longestGapMs: Math.round(longestGapMs),
      answeredBy,
    };
    console.log(JSON.stringify(result));
    process.exit(0);
  };
}
