/** What `tidegate` ends with; documented in docs/cli.md. */
export const EXIT = {
  ok: 0,
  /** Something is wrong with the settings, the manifests, a Service or a role. */
  problem: 1,
  /** The command line is not understood. */
  usage: 2,
  /** No Tidegate process answers. */
  unreachable: 3,
  /** `trace`: the packet would be dropped. */
  dropped: 4,
  /** `trace`: the packet is not for Tidegate. */
  passed: 5,
  /** `trace`: something of Tidegate's own goes back instead. */
  answered: 6,
  /** A fault of Tidegate itself. */
  fault: 70,
} as const;
