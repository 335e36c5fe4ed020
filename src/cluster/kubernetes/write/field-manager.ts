/** Whose changes these are, in `metadata.managedFields` and as the source of events. */
export const FIELD_MANAGER = 'tidegate-controller';
