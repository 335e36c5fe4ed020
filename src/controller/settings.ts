import type { AllocationSettings } from '../plan/allocate.ts';

/** What the operator chooses about allocation. */
export interface ControllerSettings {
  readonly allocation: AllocationSettings;
}
