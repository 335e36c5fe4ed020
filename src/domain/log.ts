/** Fields of a log line. Addresses and other domain values are formatted by the caller. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Logging as an argument. One line an event: what happened, to which object, at which revision. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log that adds these fields to every line. */
  child(fields: LogFields): Log;
}
