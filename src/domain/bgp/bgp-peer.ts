import type { Address } from '../address.ts';
import type { ObjectMeta } from '../object.ts';
import type { LabelSelector } from '../selector.ts';

/** `BGPPeer` of metallb.io/v1beta2: a router that boxes speak to. Unset fields are `undefined`. */
export interface BgpPeer extends ObjectMeta {
  /** This side's AS: `spec.myASN`. */
  readonly myAsn: number;
  /** `spec.localASN`: the AS that this peer sees in place of `myAsn`, in OPEN and AS_PATH. */
  readonly localAsn: number | undefined;
  /** A number, or any that is the same as (`internal`) or another than (`external`) this side's. */
  readonly peerAsn: number | 'internal' | 'external';
  /** Where it is: an address, or whoever is found on an interface (unnumbered, RFC 4861 §6.2). */
  readonly remote: BgpRemote;
  readonly sourceAddress: Address | undefined;
  /** TCP port of the peer. */
  readonly port: number;
  /** As the 32-bit number of RFC 6286. */
  readonly routerId: number | undefined;
  /** 0: the session never ends because of silence. */
  readonly holdTimeMs: number;
  readonly keepaliveMs: number;
  /** Between two attempts to connect; RFC 4271 ConnectRetryTime. */
  readonly connectRetryMs: number;
  /** `spec.ebgpMultiHop`: a peer of another AS may be routers away. */
  readonly multihop: boolean;
  /** Interface of the VRF that the session is in (SO_BINDTODEVICE). */
  readonly vrf: string | undefined;
  readonly nodeSelectors: readonly LabelSelector[];
  readonly password: BgpPassword;
  /** Name of a BFDProfile. */
  readonly bfdProfile: string | undefined;
  readonly gracefulRestart: boolean;
  /** Both families over this session; otherwise only that of its addresses (unnumbered: both). */
  readonly bothFamilies: boolean;
  /** `tidegate.io/passive`: waits for the peer to connect. */
  readonly passive: boolean;
  /** `tidegate.io/ttl-security`: hops that the peer may be away (RFC 5082); `undefined`: off. */
  readonly ttlSecurityHops: number | undefined;
  /** `tidegate.io/bfd-password`: a Secret with the key of BFD's keyed SHA1; `undefined`: none. */
  readonly bfdPasswordSecret: string | undefined;
}

export type BgpRemote =
  | { readonly kind: 'address'; readonly address: Address }
  | { readonly kind: 'interface'; readonly name: string };

/** Of TCP MD5 (RFC 2385). A value is behind a function, so that nothing can print it. */
export type BgpPassword =
  | { readonly kind: 'none' }
  | { readonly kind: 'inline'; readonly value: () => Uint8Array }
  /** Of type kubernetes.io/basic-auth, key `password`, in the peer's namespace. */
  | { readonly kind: 'secret'; readonly name: string }
  /** There is an inline one, which is not remembered over a restart; the API server knows it. */
  | { readonly kind: 'forgotten' };
