import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Call, UsageError } from '../command.ts';
import { EXIT } from '../exit-code.ts';
import { endpointOf, numberOf } from '../option-values.ts';

/** What the admin API says beside the file: `packets=12; lost=0`. */
const TRAILER = 'x-tidegate-capture';

/** The query of `/v1/capture`. Throws `UsageError`. */
export function captureQueryOf(call: Call): URLSearchParams {
  if (call.text('write') === undefined) {
    throw new UsageError('Say where to: -w FILE, or -w - for standard output');
  }
  const { address, port } = endpointOf(call, 'vip');
  const query = new URLSearchParams({ vip: address });
  if (port !== undefined) query.set('port', String(port));
  const client = call.text('client');
  if (client !== undefined) query.set('client', client);
  const sample = call.text('sample');
  if (sample !== undefined) query.set('sample', sampleOf(sample));
  for (const name of ['count', 'seconds', 'snap']) {
    const value = numberOf(call, name, 1_000_000);
    if (value !== undefined) query.set(name, String(value));
  }
  return query;
}

function sampleOf(text: string): string {
  const [, every] = /^1\/([1-9]\d{0,6})$/.exec(text) ?? [];
  if (every !== undefined) return every;
  throw new UsageError(`--sample is "${text}"; write 1/N, for one connection of N`);
}

/** Writes the file of the first process that captures; says on standard error how much there is. */
export async function capture(
  call: Call,
  runDir: string,
  instances: readonly string[],
  query: URLSearchParams,
): Promise<number> {
  const refusals: string[] = [];
  for (const instance of instances) {
    const { asked, response } = await ask(runDir, instance, `/v1/capture?${query}`).catch(
      (error: Error) => ({ asked: undefined, response: error }),
    );
    if (response instanceof Error)
      refusals.push(`${instance} cannot be asked: ${response.message}`);
    else if (response.statusCode === 200) return write(call, asked as ClientRequest, response);
    else {
      const { error, message, remedy } = await bodyOf(response);
      if (error === 'bad_request') throw new UsageError(`${message}. ${remedy}`);
      if (error !== 'role_absent') refusals.push(`${message}. ${remedy}`);
    }
  }
  if (refusals.length > 0) {
    call.io.err(`${refusals.join('\n')}\n`);
    return EXIT.problem;
  }
  call.io.err(
    'No forwarder runs on this box. Start it with "systemctl start tidegate@forwarder"\n',
  );
  return EXIT.unreachable;
}

async function write(call: Call, asked: ClientRequest, response: IncomingMessage): Promise<number> {
  const path = call.text('write') as string;
  const isPipe = path === '-';
  const target: Writable = isPipe ? process.stdout : createWriteStream(path, { mode: 0o600 });
  let isInterrupted = false;
  // What came until Ctrl-C is kept: the end of the file is only its statistics.
  const interrupt = () => {
    isInterrupted = true;
    asked.destroy();
  };
  process.once('SIGINT', interrupt);
  try {
    await pipeline(response, target, { end: !isPipe });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPIPE' && !isInterrupted) throw error;
  } finally {
    process.off('SIGINT', interrupt);
  }
  const said = response.trailers[TRAILER];
  call.io.err(said ? `${said.replaceAll('=', ' ').replace(';', ',')}\n` : 'Ended early\n');
  return EXIT.ok;
}

async function ask(runDir: string, instance: string, path: string) {
  const socketPath = join(runDir, 'admin', `${instance}.sock`);
  const asked = request({ socketPath, path, agent: false });
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return { asked, response };
}

async function bodyOf(response: IncomingMessage) {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString()) as Record<string, string>;
}
