import type { AllocationSettings } from '../plan/allocation/allocation.ts';

/** What the operator chooses about allocation. */
export interface ControllerSettings {
  readonly allocation: AllocationSettings;
}
