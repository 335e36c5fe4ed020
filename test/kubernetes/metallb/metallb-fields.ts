/**
 * What MetalLB's API has (main branch, after 0.16.1), as facts to hold our own definitions against:
 * for each kind its version, plural and fields. A field is a path with its type, and its default if it
 * has one; `[]` stands for the items of a list. `LabelSelector` is that of meta/v1. MetalLB declares a
 * `status` without fields for what the user writes; every kind has the status subresource.
 */
export interface KindFacts {
  readonly version: string;
  readonly plural: string;
  readonly fields: Readonly<Record<string, string>>;
}

export const METALLB_KINDS: Readonly<Record<string, KindFacts>> = {
  BFDProfile: {
    version: 'v1beta1',
    plural: 'bfdprofiles',
    fields: {
      'spec.detectMultiplier': 'integer',
      'spec.echoInterval': 'integer',
      'spec.echoMode': 'boolean',
      'spec.minimumTtl': 'integer',
      'spec.passiveMode': 'boolean',
      'spec.receiveInterval': 'integer',
      'spec.transmitInterval': 'integer',
      status: 'object',
    },
  },
  BGPAdvertisement: {
    version: 'v1beta1',
    plural: 'bgpadvertisements',
    fields: {
      'spec.aggregationLength': 'integer = 32',
      'spec.aggregationLengthV6': 'integer = 128',
      'spec.communities[]': 'string',
      'spec.ipAddressPoolSelectors[]': 'LabelSelector',
      'spec.ipAddressPools[]': 'string',
      'spec.localPref': 'integer',
      'spec.nodeSelectors[]': 'LabelSelector',
      'spec.peers[]': 'string',
      'spec.serviceSelectors[]': 'LabelSelector',
      status: 'object',
    },
  },
  BGPPeer: {
    version: 'v1beta2',
    plural: 'bgppeers',
    fields: {
      'spec.bfdProfile': 'string',
      'spec.connectTime': 'string',
      'spec.disableMP': 'boolean = false',
      'spec.dualStackAddressFamily': 'boolean = false',
      'spec.dynamicASN': 'string',
      'spec.ebgpMultiHop': 'boolean',
      'spec.enableGracefulRestart': 'boolean',
      'spec.holdTime': 'string',
      'spec.interface': 'string',
      'spec.keepaliveTime': 'string',
      'spec.localASN': 'integer',
      'spec.myASN': 'integer',
      'spec.nodeSelectors[]': 'LabelSelector',
      'spec.password': 'string',
      'spec.passwordSecret.name': 'string',
      'spec.passwordSecret.namespace': 'string',
      'spec.peerASN': 'integer',
      'spec.peerAddress': 'string',
      'spec.peerPort': 'integer = 179',
      'spec.routerID': 'string',
      'spec.sourceAddress': 'string',
      'spec.vrf': 'string',
      status: 'object',
    },
  },
  Community: {
    version: 'v1beta1',
    plural: 'communities',
    fields: {
      'spec.communities[].name': 'string',
      'spec.communities[].value': 'string',
      status: 'object',
    },
  },
  ConfigurationState: {
    version: 'v1beta1',
    plural: 'configurationstates',
    fields: {
      'status.conditions[].lastTransitionTime': 'string',
      'status.conditions[].message': 'string',
      'status.conditions[].observedGeneration': 'integer',
      'status.conditions[].reason': 'string',
      'status.conditions[].status': 'string',
      'status.conditions[].type': 'string',
      'status.errorSummary': 'string',
      'status.result': 'string',
    },
  },
  IPAddressPool: {
    version: 'v1beta1',
    plural: 'ipaddresspools',
    fields: {
      'spec.addresses[]': 'string',
      'spec.autoAssign': 'boolean = true',
      'spec.avoidBuggyIPs': 'boolean = false',
      'spec.serviceAllocation.namespaceSelectors[]': 'LabelSelector',
      'spec.serviceAllocation.namespaces[]': 'string',
      'spec.serviceAllocation.priority': 'integer',
      'spec.serviceAllocation.serviceSelectors[]': 'LabelSelector',
      'status.assignedIPv4': 'integer',
      'status.assignedIPv6': 'integer',
      'status.availableIPv4': 'integer',
      'status.availableIPv6': 'integer',
    },
  },
  L2Advertisement: {
    version: 'v1beta1',
    plural: 'l2advertisements',
    fields: {
      'spec.interfaces[]': 'string',
      'spec.ipAddressPoolSelectors[]': 'LabelSelector',
      'spec.ipAddressPools[]': 'string',
      'spec.nodeSelectors[]': 'LabelSelector',
      'spec.preferredNodeSelectors[].preference': 'LabelSelector',
      'spec.preferredNodeSelectors[].weight': 'integer',
      'spec.serviceSelectors[]': 'LabelSelector',
      status: 'object',
    },
  },
  ServiceBGPStatus: {
    version: 'v1beta1',
    plural: 'servicebgpstatuses',
    fields: {
      spec: 'object',
      'status.node': 'string',
      'status.peers[]': 'string',
      'status.serviceName': 'string',
      'status.serviceNamespace': 'string',
    },
  },
  ServiceL2Status: {
    version: 'v1beta1',
    plural: 'servicel2statuses',
    fields: {
      spec: 'object',
      'status.interfaces[].name': 'string',
      'status.node': 'string',
      'status.serviceName': 'string',
      'status.serviceNamespace': 'string',
    },
  },
};
