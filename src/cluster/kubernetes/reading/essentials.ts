import type { Json } from '../../../system/json.ts';
import { PASSWORD_FORGOTTEN } from '../../decode/bgp-password.ts';
import type { Kind } from '../../decode/cluster-object.ts';
import { isObject } from '../../decode/field.ts';
import type { KubeObject } from '../kube-object.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Parts of an object besides its metadata that a decoder of ours reads. */
const PARTS: Readonly<Record<Kind, readonly string[]>> = {
  Service: ['spec', 'status'],
  EndpointSlice: ['addressType', 'ports', 'endpoints'],
  Endpoints: ['subsets'],
  Node: ['spec', 'status'],
  Namespace: [],
  Pod: ['spec'],
  Secret: [],
  IPAddressPool: ['spec'],
  L2Advertisement: ['spec'],
  EdgeNode: ['spec', 'status'],
  ServiceL2Status: ['status'],
  BGPPeer: ['spec'],
  BGPAdvertisement: ['spec'],
  BFDProfile: ['spec'],
  Community: ['spec'],
  ServiceBGPStatus: ['status'],
};

/** Where parts are large: the fields that matter. */
const FIELDS: Readonly<Partial<Record<Kind, readonly string[]>>> = {
  Node: ['taints', 'podCIDR', 'podCIDRs', 'addresses', 'conditions'],
  Pod: ['nodeName'],
};

const METADATA = [
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'creationTimestamp',
  'deletionTimestamp',
  'labels',
  'finalizers',
];
const OUR_ANNOTATIONS = /^(tidegate\.io|metallb\.io|metallb\.universe\.tf)\//;

/** What is worth remembering of an object over a restart: all that we read, hardly anything else. */
export function essentialsOf(kind: Kind, object: KubeObject): Json {
  const essentials = partsOf(kind, object);
  return (kind === 'BGPPeer' ? withoutPassword(essentials) : essentials) as Json;
}

/** What is on a disk can be read by more people than what is in the API. */
function withoutPassword(peer: Fields): Fields {
  const { spec } = peer;
  if (!isObject(spec) || !spec['password']) return peer;
  const { password, ...rest } = spec;
  return { ...peer, spec: rest, [PASSWORD_FORGOTTEN]: true };
}

function partsOf(kind: Kind, object: KubeObject): Fields {
  const { annotations } = object.metadata;
  const ours = Object.entries(isObject(annotations) ? annotations : {}).filter(([name]) =>
    OUR_ANNOTATIONS.test(name),
  );
  const fields = FIELDS[kind];
  const parts = PARTS[kind].map((part) => {
    const value = object[part];
    return [part, fields && isObject(value) ? pick(value, fields) : value];
  });
  return {
    metadata: {
      ...pick(object.metadata, METADATA),
      ...(ours.length > 0 && { annotations: Object.fromEntries(ours) }),
    },
    ...Object.fromEntries(parts.filter(([, value]) => value !== undefined)),
  };
}

function pick(fields: Fields, names: readonly string[]): Fields {
  const picked: Record<string, unknown> = {};
  for (const name of names) if (fields[name] !== undefined) picked[name] = fields[name];
  return picked;
}
