import Type from 'typebox';
import { parseAddress } from '../domain/address.ts';
import { parseDuration } from './values.ts';

/** `description` is what the annotated file says of a property. */
type Words = { description: string };

/** Settings below a name of their own; other names in it are refused. */
export function section<P extends Type.TProperties>(description: string, properties: P) {
  return Type.Object(properties, { additionalProperties: false, default: {}, description });
}

/** Text of a form that `is` names. */
export function text(
  options: Words & { default: string; pattern?: string; is: string; remedy: string },
) {
  return Type.String(options);
}

/** A whole number. */
export function count(options: Words & { default: number; minimum: number; maximum: number }) {
  return Type.Integer(options);
}

/** True or false. */
export function flag(options: Words & { default: boolean }) {
  return Type.Boolean(options);
}

/**
 * A duration of at least `minimumMs`, in whole multiples of it (what the data plane counts in), and
 * of at least `leastMs`.
 */
export function duration(
  options: Words & { default: string; minimumMs: 1 | 1000; leastMs?: number },
) {
  const { minimumMs, leastMs = minimumMs, ...words } = options;
  const least = leastMs > 1 ? `at least ${leastMs}ms` : 'above zero';
  const remedy =
    minimumMs === 1000
      ? 'Write whole seconds, minutes or hours, at least one second, for example "30s" or "2h"'
      : `Write a whole number with ms, s, m or h, ${least}, for example "500ms" or "2s"`;
  return Type.Refine(Type.String({ ...words, is: 'a usable duration', remedy }), (value) => {
    const ms = parseDuration(value);
    return ms !== undefined && ms >= leastMs && ms % minimumMs === 0;
  });
}

/** A file or folder. */
export function absolutePath(options: Words & { default: string }) {
  return text({
    ...options,
    pattern: '^/',
    is: 'an absolute path',
    remedy: 'Write a path that begins with "/"',
  });
}

/** A list of interface names. */
export function interfaces(description: string) {
  const name = Type.String({
    pattern: '^[^\\s/:]{1,15}$',
    is: 'the name of a network interface',
    remedy: 'Write a name as "ip link" shows it, for example "eth0"',
  });
  return Type.Array(name, { default: [], description, uniqueItems: true });
}

/** Labels of an object, each as `name=value`. */
export function labels(description: string) {
  const label = Type.String({
    pattern:
      '^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?' +
      '=([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$',
    is: 'a label',
    remedy: 'Write name=value as "kubectl label" takes it, for example "rack=r1"',
  });
  return Type.Array(label, { default: [], description, uniqueItems: true, maxItems: 64 });
}

/** Words of every namespace. */
export const NAMESPACE_WORDS = {
  pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
  is: 'the name of a namespace',
  remedy: 'Write at most 63 of a-z, 0-9 and "-"',
};

/** Words of every address. */
export const ADDRESS_WORDS = {
  is: 'an IP address',
  remedy: 'Write an IPv4 or IPv6 address without prefix length, zone or leading zeros',
};

/** Whether the text is an address, for `Type.Refine`. */
export const isAddress = (value: string): boolean => parseAddress(value) !== undefined;
