import type { SimulatedApi } from './simulated-api.ts';

/** Few addresses for many Services, so that every one of them is wanted by somebody. */
const RANGES = [
  ['10.0.0.0-10.0.0.2'],
  ['10.0.0.0-10.0.0.1'],
  ['10.0.0.1-10.0.0.3'],
  ['10.0.0.0/32'],
  ['10.0.0.2-10.0.0.4'],
];
const OTHER_RANGES = [['10.0.1.0/31'], ['10.0.1.1-10.0.1.2'], ['10.0.1.0-10.0.1.2']];
const NAMES = ['a', 'b', 'c', 'd', 'e'];

/** Somebody changes Services or pools; returns what, in words. 0–99: pools, 100–: Services. */
export function changeCluster(api: SimulatedApi, which: number): string {
  if (which < 100) return changePool(api, which);
  const name = NAMES[which % NAMES.length] as string;
  const key = `default/${name}`;
  const choice = Math.floor(which / NAMES.length) % 9;
  const variant = Math.floor(which / 45);
  if (!api.list('services').has(key)) {
    api.create('services', key, serviceObject(choice < 5 ? 0 : variant));
    return `people create ${key} ${choice < 5 ? 0 : variant}`;
  }
  if (choice < 3) {
    api.remove('services', key);
    return `people delete ${key}`;
  }
  if (choice < 5) {
    api.edit('services', key, (object) => ({
      ...object,
      metadata: { ...object.metadata, labels: { touched: String(api.version()) } },
    }));
    return `people touch ${key}`;
  }
  api.edit('services', key, (object) => {
    const { metadata, spec } = serviceObject(variant);
    const { annotations } = object.metadata;
    const kept = Object.entries(annotations ?? {}).filter(([name]) => name.endsWith('-pool'));
    return {
      ...object,
      metadata: {
        ...object.metadata,
        annotations: { ...Object.fromEntries(kept), ...metadata.annotations },
      },
      spec,
    };
  });
  return `people edit ${key} ${variant}`;
}

function changePool(api: SimulatedApi, which: number): string {
  const isMain = which % 3 !== 2;
  const key = isMain ? 'metallb-system/main' : 'metallb-system/other';
  const list = isMain ? RANGES : OTHER_RANGES;
  const addresses = list[Math.floor(which / 3) % list.length] as string[];
  const isThere = api.list('pools').has(key);
  if (isThere && which >= 85) {
    api.remove('pools', key);
    return `people delete ${key}`;
  }
  const spec = { addresses, autoAssign: isMain || which % 2 === 0 };
  if (isThere) api.edit('pools', key, (object) => ({ ...object, spec }));
  else api.create('pools', key, { spec });
  return `people set ${key} to ${addresses}`;
}

function serviceObject(variant: number) {
  const annotations: Record<string, string> = {};
  const kind = variant % 7;
  if (kind === 1) annotations['metallb.io/loadBalancerIPs'] = '10.0.0.1';
  if (kind === 2) annotations['metallb.io/loadBalancerIPs'] = '10.0.0.3';
  if (kind === 3 || kind === 4) annotations['metallb.io/allow-shared-ip'] = 'key';
  if (kind === 5) annotations['metallb.io/address-pool'] = 'other';
  const port = kind === 4 ? 80 + (variant % 3) : 80;
  return {
    metadata: { annotations },
    spec: {
      type: kind === 6 ? 'ClusterIP' : 'LoadBalancer',
      clusterIP: '10.96.0.1',
      selector: { app: 'web' },
      ports: [{ name: 'http', protocol: 'TCP', port, targetPort: 8080 }],
    },
  };
}
