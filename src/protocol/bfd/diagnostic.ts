/** Diagnostic codes that this side sends (RFC 5880 §4.1). */
export const DIAGNOSTIC = {
  none: 0,
  detectionTimeExpired: 1,
  neighborSignaledDown: 3,
  administrativelyDown: 7,
} as const;

const WORDS = [
  'No Diagnostic',
  'Control Detection Time Expired',
  'Echo Function Failed',
  'Neighbor Signaled Session Down',
  'Forwarding Plane Reset',
  'Path Down',
  'Concatenated Path Down',
  'Administratively Down',
  'Reverse Concatenated Path Down',
];

/** The code in the RFC's words. */
export function describeDiagnostic(code: number): string {
  return WORDS[code] ?? `Reserved (${code})`;
}
