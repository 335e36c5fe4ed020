import { parseAddress } from '../domain/address.ts';
import { type Call, UsageError } from './command.ts';

/** `ADDRESS`, `ADDRESS:PORT` or `[IPV6]:PORT`. Throws `UsageError`. */
export function endpointOf(
  call: Call,
  option: string,
): { readonly address: string; readonly port: number | undefined } {
  const text = call.text(option);
  if (text === undefined)
    throw new UsageError(`--${option} is missing: write ADDRESS or ADDRESS:PORT`);
  const [, bracketed, withPort] =
    /^\[([^\]]*)\](?::(\d+))?$/.exec(text) ?? /^([^:]*):(\d+)$/.exec(text) ?? [];
  const address = bracketed ?? text;
  const port = withPort === undefined ? undefined : Number(withPort);
  if (parseAddress(address) === undefined || (port !== undefined && port > 65_535)) {
    throw new UsageError(`--${option} is "${text}"; write ADDRESS:PORT or [IPV6]:PORT`);
  }
  return { address, port };
}

/** A number from 0 to `max`; `undefined` when it is not given. Throws `UsageError`. */
export function numberOf(call: Call, option: string, max: number): number | undefined {
  const text = call.text(option);
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : -1;
  if (value >= 0 && value <= max) return value;
  throw new UsageError(`--${option} is "${text}"; write a number from 0 to ${max}`);
}
