import pino, { type DestinationStream, type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { Log, LogFields } from '../domain/log.ts';

/** Names of fields whose values never reach a line, at any of the first three depths. */
const SECRET_NAMES = ['token', 'password', 'secret', 'authorization', 'cookie', 'privateKey'];
const SECRET_PATHS = SECRET_NAMES.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/** Bytes that may wait for a slow reader of standard output; beyond it lines are dropped. */
const MAX_WAITING_BYTES = 4 * 1_048_576;

/** How many causes of an error are told. */
const MAX_CAUSES = 5;

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** `auto`: pretty on a terminal, JSON elsewhere. */
  readonly format: 'auto' | 'json' | 'pretty';
  /** Where lines go; standard output when absent. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/**
 * The process's log. One line an event; errors in fields become their message and causes (and, as
 * `stack`, where they were thrown, when they are bugs), bigints become text. No worker thread and no blocking write:
 * the process must not wait for whoever reads its log.
 */
export function createLog(options: LogOptions): Log {
  const isTerminal = (options.stream ?? process.stdout).isTTY === true;
  const isPretty = options.format === 'pretty' || (options.format === 'auto' && isTerminal);
  const destination: DestinationStream = isPretty
    ? pretty({
        colorize: isTerminal,
        singleLine: true,
        ignore: 'pid,hostname',
        translateTime: 'SYS:HH:MM:ss.l',
        errorLikeObjectKeys: [],
        destination: options.stream ?? 1,
        sync: true,
      })
    : (options.stream ?? pino.destination({ fd: 1, sync: false, maxLength: MAX_WAITING_BYTES }));
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: SECRET_PATHS, censor: '[redacted]' },
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  return wrap(logger);
}

function wrap(logger: Logger): Log {
  return {
    debug: (message, fields) => logger.debug(plain(fields), message),
    info: (message, fields) => logger.info(plain(fields), message),
    warn: (message, fields) => logger.warn(plain(fields), message),
    error: (message, fields) => logger.error(plain(fields), message),
    child: (fields) => wrap(logger.child(plain(fields))),
  };
}

/** Fields as JSON can hold them; only the first level, deeper bigints become numbers. */
function plain(fields: LogFields | undefined): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (value instanceof Error) {
      result[name] = errorText(value);
      // An error with a code is the world's (a lock, a full disk); one without is ours, and asks where.
      if ((value as NodeJS.ErrnoException).code === undefined) {
        result['stack'] = value.stack
          ?.split('\n')
          .slice(1)
          .map((line) => line.trim());
      }
    } else {
      result[name] = plainValue(value);
    }
  }
  return result;
}

/** Durations are measured finer than anybody reads: three decimals are enough. */
function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return typeof value === 'number' ? Math.round(value * 1000) / 1000 : value;
}

function errorText(error: Error): string {
  const parts: string[] = [];
  let current: unknown = error;
  while (current instanceof Error && parts.length < MAX_CAUSES) {
    const { code } = current as NodeJS.ErrnoException;
    const known = code === undefined || current.message.includes(code);
    // Many messages quote their cause; twice tells no more.
    if (!parts.at(-1)?.includes(current.message)) {
      parts.push(known ? current.message : `${current.message} (${code})`);
    }
    current = current.cause;
  }
  return parts.join(': ');
}
