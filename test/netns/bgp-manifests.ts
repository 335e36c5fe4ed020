/** Manifests of what a box is told about BGP. */

export interface PeerFields {
  /** Fields of `spec`; `myASN: 64500` unless said otherwise. */
  readonly spec: Readonly<Record<string, unknown>>;
  /** Names without `tidegate.io/`. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The AS of the box. */
export const BOX_ASN = 64500;

/** A BGPPeer that tries to connect once a second. */
export function peerManifest(name: string, { spec, annotations = {} }: PeerFields): string {
  return manifest('metallb.io/v1beta2', 'BGPPeer', name, annotations, {
    myASN: BOX_ASN,
    connectTime: '1s',
    ...spec,
  });
}

export function advertisementManifest(name: string, fields: PeerFields): string {
  const { spec, annotations = {} } = fields;
  return manifest('metallb.io/v1beta1', 'BGPAdvertisement', name, annotations, spec);
}

export function poolManifest(name: string, addresses: readonly string[]): string {
  return manifest('metallb.io/v1beta1', 'IPAddressPool', name, {}, { addresses });
}

export function communityManifest(name: string, values: Readonly<Record<string, string>>): string {
  const communities = Object.entries(values).map(([each, value]) => ({ name: each, value }));
  return manifest('metallb.io/v1beta1', 'Community', name, {}, { communities });
}

export function bfdProfileManifest(name: string, spec: Readonly<Record<string, unknown>>): string {
  return manifest('metallb.io/v1beta1', 'BFDProfile', name, {}, spec);
}

export function passwordManifest(name: string, password: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/basic-auth',
    metadata: { name, namespace: 'metallb-system' },
    stringData: { password },
  });
}

/** A Service with these addresses and no endpoints: who can serve it, the test says. */
export function addressedService(name: string, addresses: readonly string[]): string {
  const families = addresses.map((address) => (address.includes(':') ? 'IPv6' : 'IPv4'));
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: 'default',
      annotations: { 'metallb.io/loadBalancerIPs': addresses.join(',') },
    },
    spec: {
      type: 'LoadBalancer',
      ipFamilies: families,
      ipFamilyPolicy: families.length > 1 ? 'RequireDualStack' : 'SingleStack',
      ports: [{ port: 80 }],
    },
  });
}

/** Several manifests as one file. */
export function together(...manifests: readonly string[]): string {
  return manifests.join('\n---\n');
}

function manifest(
  apiVersion: string,
  kind: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
  spec: Readonly<Record<string, unknown>>,
): string {
  const own = Object.entries(annotations).map(([key, value]) => [`tidegate.io/${key}`, value]);
  const metadata = { name, namespace: 'metallb-system', annotations: Object.fromEntries(own) };
  return JSON.stringify({ apiVersion, kind, metadata, spec });
}
