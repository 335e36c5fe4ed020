/** How the backend of a new flow is chosen. */
export const SCHEDULERS = ['maglev', 'round-robin', 'least-connections', 'source-hash'] as const;

/**
 * - `maglev`: by a hash of client address and port, the same on every box;
 * - `source-hash`: by a hash of the client's address alone;
 * - `round-robin`: in turn, as often as their weights say;
 * - `least-connections`: of two at random the one with fewer flows.
 */
export type Scheduler = (typeof SCHEDULERS)[number];
