import type { NotificationContent } from './message.ts';

/** What a message says, or what to tell the peer before the session ends because of it. */
export type Checked<T> =
  | { readonly value: T; readonly error?: never }
  | { readonly value?: never; readonly error: NotificationContent };
