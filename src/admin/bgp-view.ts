import type { BfdSession } from '../domain/bgp/bfd-session.ts';
import type { BgpSession } from '../domain/bgp/bgp-session.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { Prefix } from '../domain/prefix.ts';
import type { BgpPlan } from '../plan/bgp.ts';
import type { PathAttributes } from '../protocol/bgp/message.ts';

/** What the admin API asks the speaker about BGP. Keys are those of BGPPeers. */
export interface BgpView {
  sessions(): ReadonlyMap<ObjectKey, BgpSession>;
  /** `undefined` before the first snapshot. */
  planned(): BgpPlan | undefined;
  /** What the peer has been told, by text of the prefix; without a path it is about to be told anew. */
  routesTo(
    peer: ObjectKey,
  ): ReadonlyMap<string, { readonly prefix: Prefix; readonly path: PathAttributes | undefined }>;
  receivedFrom(peer: ObjectKey): ReceivedView | undefined;
  /** Everything that is planned has been withdrawn: the box is being drained. */
  hasLeft(): boolean;
  readonly bfd: BfdView;
}

export interface BfdView {
  /** By key of the BGPPeer that is watched. */
  sessions(): ReadonlyMap<ObjectKey, BfdSession>;
  /** Packets that were refused, by reason. */
  drops(): Readonly<Record<string, number | undefined>>;
}

export interface ReceivedView {
  /** By text of the prefix. */
  current(): ReadonlyMap<string, { readonly prefix: Prefix; readonly path: PathAttributes }>;
  /** The peer announced more than is kept. */
  truncated(): boolean;
}
