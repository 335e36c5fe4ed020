import type { Secret } from '../../domain/secret.ts';
import {
  child,
  type Decoded,
  decode,
  type Field,
  fail,
  isAbsent,
  isObject,
  type Locate,
  text,
} from './field.ts';
import { readMeta } from './meta.ts';

/** The API's limits (core/v1): all values together, and the form of a key. */
const MAX_BYTES = 1024 * 1024;
const KEY = /^[A-Za-z0-9._-]{1,253}$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Reads a core/v1 Secret; `stringData` wins over `data`. No message quotes a value. */
export function decodeSecret(value: unknown, locate?: Locate): Decoded<Secret> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'Secret', namespaced: true, name: 'subdomain' });
    const type = text(child(root, 'type'), 'Opaque');
    const values = new Map([
      ...readValues(child(root, 'data'), decodeBase64),
      ...readValues(child(root, 'stringData'), (written) => Buffer.from(written)),
    ]);
    const bytes = [...values.values()].reduce((sum, { length }) => sum + length, 0);
    if (bytes > MAX_BYTES) {
      const message = `The values have ${bytes} bytes, the limit is ${MAX_BYTES}`;
      fail(child(root, 'data'), message, 'Use several Secrets');
    }
    return { ...meta, type, keys: [...values.keys()].sort(), value: (key) => values.get(key) };
  });
}

/** True when two Secrets say the same; needed since their values are behind functions. */
export function sameSecretValues(a: Secret, b: Secret): boolean {
  return (
    a.keys.length === b.keys.length &&
    a.keys.every((key) => Buffer.from(a.value(key) ?? []).equals(b.value(key) ?? Buffer.alloc(0)))
  );
}

function readValues(
  map: Field,
  read: (written: string) => Uint8Array | undefined,
): Array<[string, Uint8Array]> {
  if (!isObject(map.value)) {
    if (!isAbsent(map)) fail(map, 'It is not a mapping', 'Write name: value lines');
    return [];
  }
  return Object.entries(map.value).flatMap(([key, written]) => {
    const field = child(map, key);
    if (!KEY.test(key)) fail(field, 'The key is not valid', 'Use A-Z, a-z, 0-9, dots, - and _');
    const bytes = typeof written === 'string' ? read(written) : undefined;
    if (bytes === undefined) {
      fail(field, 'The value is not text of the form asked for', 'Write base64, or use stringData');
      return [];
    }
    return [[key, bytes] as [string, Uint8Array]];
  });
}

function decodeBase64(written: string): Uint8Array | undefined {
  const compact = written.replaceAll(/\s/g, '');
  return BASE64.test(compact) ? Buffer.from(compact, 'base64') : undefined;
}
