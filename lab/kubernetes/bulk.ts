import type { ControlPlane } from './control-plane.ts';
import { endpointSliceManifest, type Fields, serviceManifest } from './manifests.ts';

/** As many as the API server works on at once without putting any of them off. */
const PARALLEL = 24;

/**
 * Creates Services `bulk-0` …, each with an EndpointSlice, many at a time; resolves when all exist.
 * With two cores 10,000 of them take 20 s or so.
 */
export async function createServices(
  plane: ControlPlane,
  options: {
    readonly count: number;
    /** Endpoints of each; 0 for none, and no slice either. */
    readonly endpoints: number;
    readonly namespace?: string;
    /** Of the i-th Service, beside the defaults. */
    readonly fields?: (i: number) => Fields;
  },
): Promise<void> {
  const { count, endpoints, namespace = 'default', fields = () => ({}) } = options;
  const services = `/api/v1/namespaces/${namespace}/services`;
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  await inParallel(count, async (i) => {
    const name = `bulk-${i}`;
    await plane.must('POST', services, serviceManifest(name, { ...fields(i), namespace }));
    if (endpoints === 0) return;
    const addresses = Array.from({ length: endpoints }, (_, k) => podAddress(i * endpoints + k));
    await plane.must('POST', slices, endpointSliceManifest(name, addresses, { namespace }));
  });
}

/** The n-th of the addresses in 10.128.0.0/9. */
export function podAddress(n: number): string {
  const value = 0x0a800000 + 1 + n;
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

/** Runs work for 0 … count-1, a bounded number at a time. */
export async function inParallel(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      next += 1;
      await work(next - 1);
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, count) }, worker));
}
