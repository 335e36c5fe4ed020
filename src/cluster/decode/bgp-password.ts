import type { BgpPassword } from '../../domain/bgp/bgp-peer.ts';
import { child, type Field, fail, isAbsent, optionalText, quote, section, warn } from './field.ts';
import { isSubdomain } from './meta.ts';

/** TCP_MD5SIG_MAXKEYLEN of Linux. */
const MAX_BYTES = 80;

/** In what is remembered of a BGPPeer over a restart: there was a password, which is not kept on disk. */
export const PASSWORD_FORGOTTEN = 'passwordForgotten';

/** `spec.password` or `spec.passwordSecret`. No message quotes a password. */
export function readPassword(root: Field, spec: Field, namespace: string): BgpPassword {
  const inline = readInline(child(spec, 'password'));
  const secret = readSecretName(section(spec, 'passwordSecret'), namespace);
  if (inline !== undefined && secret !== undefined)
    fail(child(spec, 'password'), 'Both password and passwordSecret are set', 'Remove password');
  if (secret !== undefined) return { kind: 'secret', name: secret };
  if (inline !== undefined) return { kind: 'inline', value: () => inline };
  return child(root, PASSWORD_FORGOTTEN).value === true ? { kind: 'forgotten' } : { kind: 'none' };
}

export function samePassword(a: BgpPassword, b: BgpPassword): boolean {
  if (a.kind === 'inline' && b.kind === 'inline')
    return Buffer.from(a.value()).equals(Buffer.from(b.value()));
  if (a.kind === 'secret' && b.kind === 'secret') return a.name === b.name;
  return a.kind === b.kind;
}

function readInline(field: Field): Uint8Array | undefined {
  if (isAbsent(field) || field.value === '') return undefined;
  if (typeof field.value !== 'string') {
    fail(field, 'The password is not text', 'Put it in quotes, or better in a Secret');
    return undefined;
  }
  const bytes = Buffer.from(field.value);
  if (bytes.length > MAX_BYTES)
    fail(field, `The password has ${bytes.length} bytes, TCP MD5 takes ${MAX_BYTES}`, 'Shorten it');
  return bytes;
}

function readSecretName(reference: Field, namespace: string): string | undefined {
  const nameField = child(reference, 'name');
  const name = optionalText(nameField);
  if (name === undefined) return undefined;
  if (!isSubdomain(name))
    fail(nameField, `${quote(name)} is not the name of a Secret`, 'Name the Secret');
  const namespaceField = child(reference, 'namespace');
  const elsewhere = optionalText(namespaceField);
  if (elsewhere !== undefined && elsewhere !== namespace) {
    const message = `${quote(elsewhere)} is not where it is looked for: that is the peer's namespace`;
    warn(namespaceField, message, `Put the Secret into ${namespace}`);
  }
  return name;
}
