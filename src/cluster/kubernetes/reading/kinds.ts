import type { RoleName } from '../../../domain/role.ts';
import { WEIGHT_LABEL } from '../../../domain/weight.ts';
import { NODE_LABEL } from '../../decode/announcement-status.ts';
import type { Kind } from '../../decode/cluster-object.ts';

/** Heartbeat Leases are read, too; they become `EdgeNode.alive` and are no objects of the snapshot. */
export type ReadKind = Kind | 'Lease';

/** One kind that a process reads, and where. */
export interface KindToRead {
  readonly kind: ReadKind;
  /** `/apis/discovery.k8s.io/v1/endpointslices` */
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** By a CustomResourceDefinition, which may be missing: then there are no objects of the kind. */
  readonly custom: CustomResource | undefined;
  /**
   * What the process does besides goes on when the server refuses to have it read: the rights of an
   * earlier version may still be in force.
   */
  readonly isOptional?: boolean;
}

/** Where a custom kind stands in the API server's list of what it knows. */
export interface CustomResource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

export interface KindsOptions {
  readonly roles: readonly RoleName[];
  /** Name of this box. */
  readonly node: string;
  /** Of the heartbeat Leases. */
  readonly namespace: string;
  readonly metallbNamespace: string;
}

const METALLB = 'metallb.io';
const TIDEGATE = { group: 'tidegate.io', version: 'v1alpha1' };

/**
 * What the roles of one process need, and no more.
 *
 * Of Pods only those with a weight are read: Pods are many, and everything else that the forwarder takes
 * from them (the node, that they are being deleted) their EndpointSlices say, too, milliseconds later.
 */
export function kindsToRead(options: KindsOptions): readonly KindToRead[] {
  const { roles, node, namespace, metallbNamespace } = options;
  const isFor = (...some: readonly RoleName[]) => some.some((role) => roles.includes(role));
  const metallb = (kind: Kind, plural: string, version = 'v1beta1'): KindToRead => ({
    kind,
    path: `/apis/${METALLB}/${version}/namespaces/${metallbNamespace}/${plural}`,
    custom: { group: METALLB, version, plural },
  });
  const edgeNodes: KindToRead = {
    kind: 'EdgeNode',
    path: '/apis/tidegate.io/v1alpha1/edgenodes',
    custom: { ...TIDEGATE, plural: 'edgenodes' },
  };
  const bgp = (...[kind, plural, version]: Parameters<typeof metallb>): KindToRead => ({
    ...metallb(kind, plural, version),
    isOptional: true,
  });
  const ownStatuses = { labelSelector: `${NODE_LABEL}=${node}` };
  const l2Statuses = metallb('ServiceL2Status', 'servicel2statuses');
  const bgpStatuses = bgp('ServiceBGPStatus', 'servicebgpstatuses');
  const kinds: readonly (KindToRead | false)[] = [
    core('Service', '/api/v1/services'),
    isFor('forwarder') && core('EndpointSlice', '/apis/discovery.k8s.io/v1/endpointslices'),
    isFor('forwarder') && { ...core('Pod', '/api/v1/pods'), labelSelector: WEIGHT_LABEL },
    isFor('forwarder', 'speaker') && core('Node', '/api/v1/nodes'),
    isFor('controller', 'speaker') && core('Namespace', '/api/v1/namespaces'),
    isFor('controller', 'speaker') && metallb('IPAddressPool', 'ipaddresspools'),
    isFor('speaker') && metallb('L2Advertisement', 'l2advertisements'),
    isFor('speaker') && bgp('BGPPeer', 'bgppeers', 'v1beta2'),
    isFor('speaker') && bgp('BGPAdvertisement', 'bgpadvertisements'),
    isFor('speaker') && bgp('BFDProfile', 'bfdprofiles'),
    isFor('speaker') && bgp('Community', 'communities'),
    isFor('controller') && l2Statuses,
    isFor('controller') && bgpStatuses,
    // A box looks only for what others do to its own.
    isFor('speaker') && !isFor('controller') && { ...l2Statuses, ...ownStatuses },
    isFor('speaker') && !isFor('controller') && { ...bgpStatuses, ...ownStatuses },
    // A forwarder looks only whether its own box is to be drained.
    isFor('controller', 'speaker')
      ? edgeNodes
      : { ...edgeNodes, fieldSelector: `metadata.name=${node}` },
    // Without a selector: the leader's Lease shows that news would come when no box lives.
    isFor('controller', 'speaker') &&
      core('Lease', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`),
  ];
  return kinds.filter((kind) => kind !== false);
}

function core(kind: ReadKind, path: string): KindToRead {
  return { kind, path, custom: undefined };
}
