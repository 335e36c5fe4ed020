import type { BgpPeer } from '../../domain/bgp/bgp-peer.ts';
import { objectKey } from '../../domain/object.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import type { Fault } from './fault.ts';

/** `kubernetes.io/basic-auth`, as MetalLB demands. */
const SECRET_TYPE = 'kubernetes.io/basic-auth';
const SECRET_KEY = 'password';
/** TCP_MD5SIG_MAXKEYLEN of Linux. */
const PASSWORD_MAX = 80;
/** RFC 5880 §4.4. */
const BFD_KEY_MAX = 20;

type KnownSecrets = Pick<Snapshot, 'secrets' | 'remembered' | 'problems'>;

/** Behind a function, so that nothing can print it. */
export type Password = () => Uint8Array;

export type Resolved = { readonly value: Password | undefined } | { readonly fault: Fault };

/** The password of a peer's TCP sessions. */
export function passwordOf(peer: BgpPeer, known: KnownSecrets): Resolved {
  const { password, namespace } = peer;
  switch (password.kind) {
    case 'none':
      return { value: undefined };
    case 'inline':
      return { value: password.value };
    case 'secret': {
      const key = objectKey(namespace, password.name);
      return fromSecret(key, known, 'spec.passwordSecret', PASSWORD_MAX);
    }
    case 'forgotten':
      return notKept('spec.password');
  }
}

/** The key of a peer's BFD sessions. */
export function bfdKeyOf(peer: BgpPeer, known: KnownSecrets): Resolved {
  const { bfdPasswordSecret: name, namespace } = peer;
  if (name === undefined) return { value: undefined };
  const field = 'metadata.annotations[tidegate.io/bfd-password]';
  return fromSecret(objectKey(namespace, name), known, field, BFD_KEY_MAX);
}

/** Nothing that is secret is written to disk. */
function notKept(field: string): Resolved {
  const message = 'Passwords are not kept over a restart, and the API server is not reached yet';
  return { fault: { field, message, remedy: 'Look at the API server, and at the way to it' } };
}

function fromSecret(
  key: string,
  { secrets, remembered, problems }: KnownSecrets,
  field: string,
  max: number,
): Resolved {
  const bad = (message: string, remedy: string) => ({ fault: { field, message, remedy } });
  const secret = secrets.get(key);
  if (!secret && remembered) return notKept(field);
  const refusal = problems.find(({ object }) => object?.kind === 'Secret' && object.key === key);
  if (!secret && refusal) return bad(`Secret "${key}" cannot be used`, refusal.remedy);
  if (!secret)
    return bad(
      `There is no Secret "${key}"`,
      `Create it, of type ${SECRET_TYPE} with the key "${SECRET_KEY}"`,
    );
  if (secret.type !== SECRET_TYPE)
    return bad(
      `Secret "${key}" is of type "${secret.type}"`,
      `Create it anew with the type ${SECRET_TYPE}`,
    );
  const value = secret.value(SECRET_KEY);
  if (!value || value.length === 0)
    return bad(`Secret "${key}" has no "${SECRET_KEY}"`, `Add the key "${SECRET_KEY}" to its data`);
  if (value.length > max)
    return bad(
      `The password in Secret "${key}" has ${value.length} octets`,
      `Use one of at most ${max}, here and at the peer`,
    );
  return { value: () => value };
}
