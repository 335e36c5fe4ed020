/** A running role (controller, speaker, forwarder), as the composition root sees it. */
export interface Role {
  readonly name: RoleName;
  /** Ready to do its work; `reason` says what is missing. For `/readyz` and systemd. */
  readiness(): { readonly ready: boolean; readonly reason: string };
  /** Stops cleanly: announcements withdrawn, reports said; the pinned data plane keeps forwarding. */
  stop(): Promise<void>;
}

export type RoleName = 'controller' | 'speaker' | 'forwarder';
