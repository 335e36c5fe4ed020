/** Why a packet was not taken, as counters name it. RFC 5880 §6.8.6 unless said otherwise. */
export type BfdDropReason =
  | CodecDrop
  | AuthenticationDrop
  /** Your Discriminator is none of ours. */
  | 'unknownDiscriminator'
  /** Your Discriminator is 0, and nobody wants to hear of that source. */
  | 'unknownSource'
  /** The session is of the other kind: single hop (3784) or multihop (4784). */
  | 'wrongPort'
  /** Less than 255 (RFC 5881 §5), or than the least of a multihop session. */
  | 'ttl'
  /** This side has taken the session down. */
  | 'adminDown';

export type CodecDrop =
  | 'tooShort'
  | 'wrongVersion'
  | 'wrongLength'
  | 'zeroMultiplier'
  | 'multipoint'
  | 'zeroDiscriminator'
  /** Your Discriminator is 0 in a state that has one. */
  | 'missingDiscriminator'
  /** An authentication section whose length cannot be. */
  | 'wrongSection';

/** §6.7. */
export type AuthenticationDrop =
  | 'unauthenticated'
  | 'unexpectedAuthentication'
  | 'wrongAuthenticationType'
  | 'wrongKeyId'
  /** Replayed, or so much was lost that it cannot be told from that. */
  | 'wrongSequence'
  /** The key differs, or the packet was changed on its way. */
  | 'wrongDigest';
