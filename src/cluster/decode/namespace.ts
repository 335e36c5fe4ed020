import type { Namespace } from '../../domain/namespace.ts';
import { type Decoded, decode, type Locate } from './field.ts';
import { readMeta } from './meta.ts';

/** Set by the API server on every Namespace; selectors rely on it, and nobody writes it by hand. */
const NAME_LABEL = 'kubernetes.io/metadata.name';

/** Reads a core/v1 Namespace. */
export function decodeNamespace(value: unknown, locate?: Locate): Decoded<Namespace> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'Namespace', namespaced: false, name: 'label' });
    return { ...meta, labels: { ...meta.labels, [NAME_LABEL]: meta.name } };
  });
}
