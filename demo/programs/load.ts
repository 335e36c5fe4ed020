/**
 * A steady client: asks a URL so many times a second, each time over a new connection, until it is
 * told to stop, and prints one line of JSON a request: `{"at": ms since 1970, "pod": …}` or
 * `{"at": …, "error": …}`, where `at` is when the request was made.
 *
 *     node load.ts URL REQUESTS_PER_SECOND
 */
import { get } from 'node:http';

const TIMEOUT_MS = 1000;

function ask(url: string): void {
  const at = Date.now();
  const tell = (result: object) => console.log(JSON.stringify({ at, ...result }));
  const request = get(url, { agent: false, timeout: TIMEOUT_MS }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    response.on('end', () => tell({ pod: text.split(' ', 1)[0] }));
    response.on('error', (error) => tell({ error: error.message }));
  });
  request.on('timeout', () => request.destroy(new Error('timed out')));
  request.on('error', (error) => tell({ error: error.message }));
}

const [url = '', rate = '100'] = process.argv.slice(2);
setInterval(() => ask(url), 1000 / Number(rate));
