import type { BfdProfile } from '../../domain/bgp/bfd-profile.ts';
import type { BgpAdvertisement } from '../../domain/bgp/bgp-advertisement.ts';
import type { BgpPeer } from '../../domain/bgp/bgp-peer.ts';
import type { BgpStatus } from '../../domain/bgp/bgp-status.ts';
import type { CommunityNames } from '../../domain/bgp/community-names.ts';
import type { EdgeNode } from '../../domain/edge-node.ts';
import type { L2Advertisement } from '../../domain/l2-advertisement.ts';
import type { L2Status } from '../../domain/l2-status.ts';
import type { Namespace } from '../../domain/namespace.ts';
import type { Node } from '../../domain/node.ts';
import type { Pod } from '../../domain/pod.ts';
import type { Pool } from '../../domain/pool.ts';
import type { Secret } from '../../domain/secret.ts';
import type { Service } from '../../domain/service.ts';
import { decodeBfdProfile } from './bfd-profile.ts';
import { decodeBgpAdvertisement } from './bgp-advertisement.ts';
import { decodeBgpPeer } from './bgp-peer.ts';
import { decodeBgpStatus } from './bgp-status.ts';
import { decodeCommunity } from './community.ts';
import { decodeEdgeNode } from './edge-node.ts';
import { decodeEndpointSlice, type ServiceSlices } from './endpoint-slice.ts';
import { decodeEndpoints } from './endpoints.ts';
import type { Decoded, Locate } from './field.ts';
import { decodeL2Advertisement } from './l2-advertisement.ts';
import { decodeL2Status } from './l2-status.ts';
import { decodeNamespace } from './namespace.ts';
import { decodeNode } from './node.ts';
import { decodePod } from './pod.ts';
import { decodePool } from './pool.ts';
import { decodeSecret } from './secret.ts';
import { decodeService } from './service.ts';

/** What each kind that we read becomes. */
export interface KindTypes {
  readonly Service: Service;
  readonly EndpointSlice: ServiceSlices;
  readonly Endpoints: ServiceSlices;
  readonly Node: Node;
  readonly Namespace: Namespace;
  readonly Pod: Pod;
  readonly Secret: Secret;
  readonly IPAddressPool: Pool;
  readonly L2Advertisement: L2Advertisement;
  readonly EdgeNode: EdgeNode;
  readonly ServiceL2Status: L2Status;
  readonly BGPPeer: BgpPeer;
  readonly BGPAdvertisement: BgpAdvertisement;
  readonly BFDProfile: BfdProfile;
  readonly Community: CommunityNames;
  readonly ServiceBGPStatus: BgpStatus;
}

export type Kind = keyof KindTypes;

/** A decoded object with its kind. */
export type ClusterObject = {
  [K in Kind]: { readonly kind: K; readonly value: KindTypes[K] };
}[Kind];

interface KindEntry<K extends Kind> {
  readonly apiVersion: string;
  readonly decode: (value: unknown, locate?: Locate) => Decoded<KindTypes[K]>;
}

/** The kinds we read; everything else is left alone. */
export const KINDS: { readonly [K in Kind]: KindEntry<K> } = {
  Service: { apiVersion: 'v1', decode: decodeService },
  EndpointSlice: { apiVersion: 'discovery.k8s.io/v1', decode: decodeEndpointSlice },
  Endpoints: { apiVersion: 'v1', decode: decodeEndpoints },
  Node: { apiVersion: 'v1', decode: decodeNode },
  Namespace: { apiVersion: 'v1', decode: decodeNamespace },
  Pod: { apiVersion: 'v1', decode: decodePod },
  Secret: { apiVersion: 'v1', decode: decodeSecret },
  IPAddressPool: { apiVersion: 'metallb.io/v1beta1', decode: decodePool },
  L2Advertisement: { apiVersion: 'metallb.io/v1beta1', decode: decodeL2Advertisement },
  EdgeNode: { apiVersion: 'tidegate.io/v1alpha1', decode: decodeEdgeNode },
  ServiceL2Status: { apiVersion: 'metallb.io/v1beta1', decode: decodeL2Status },
  BGPPeer: { apiVersion: 'metallb.io/v1beta2', decode: decodeBgpPeer },
  BGPAdvertisement: { apiVersion: 'metallb.io/v1beta1', decode: decodeBgpAdvertisement },
  BFDProfile: { apiVersion: 'metallb.io/v1beta1', decode: decodeBfdProfile },
  Community: { apiVersion: 'metallb.io/v1beta1', decode: decodeCommunity },
  ServiceBGPStatus: { apiVersion: 'metallb.io/v1beta1', decode: decodeBgpStatus },
};

export function isKind(kind: string): kind is Kind {
  return Object.hasOwn(KINDS, kind);
}

/** Decodes one object of a kind of ours. Never throws, whatever `value` is. */
export function decodeObject(kind: Kind, value: unknown, locate?: Locate): Decoded<ClusterObject> {
  const decoded = KINDS[kind].decode(value, locate);
  const object = decoded.value && ({ kind, value: decoded.value } as ClusterObject);
  return { value: object, problems: decoded.problems };
}
