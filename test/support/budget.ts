import type { Dataplane } from './dataplane-fixture.ts';
import { u32 } from './dataplane-fixture.ts';

/** Place of new flows among the program's allowances (`native/xdp/guard/allowance.h`). */
const NEW_FLOWS = 2;
const FAR_NS = 3_600_000_000_000n;

/** No CPU opens new flows for unknown clients for an hour, or each does again. */
export function exhaustBudget(dataplane: Dataplane, exhausted = true): void {
  const allowances = dataplane.map('allowances');
  const cpus = (allowances.lookup(u32(NEW_FLOWS))?.length ?? 0) / 8;
  const doneAt = exhausted ? process.hrtime.bigint() + FAR_NS : 0n;
  const value = new BigUint64Array(cpus).fill(doneAt);
  allowances.update(u32(NEW_FLOWS), new Uint8Array(value.buffer));
}
