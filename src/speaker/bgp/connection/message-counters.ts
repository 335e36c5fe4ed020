import type { BgpMessageCounts } from '../../../domain/bgp/bgp-session.ts';
import type { BgpMessage } from '../../../protocol/bgp/message.ts';

/** Messages of a peer since this process knows it. */
export interface MessageCounters {
  sent(kind: BgpMessage['kind'], count?: number): void;
  received(kind: BgpMessage['kind']): void;
  current(): BgpMessageCounts;
}

const SENT = {
  open: 'opensSent',
  update: 'updatesSent',
  keepalive: 'keepalivesSent',
  notification: 'notificationsSent',
  routeRefresh: 'refreshesSent',
} as const;

const RECEIVED = {
  open: 'opensReceived',
  update: 'updatesReceived',
  keepalive: 'keepalivesReceived',
  notification: 'notificationsReceived',
  routeRefresh: 'refreshesReceived',
} as const;

export function createMessageCounters(): MessageCounters {
  const counts = {
    opensSent: 0,
    opensReceived: 0,
    updatesSent: 0,
    updatesReceived: 0,
    keepalivesSent: 0,
    keepalivesReceived: 0,
    notificationsSent: 0,
    notificationsReceived: 0,
    refreshesSent: 0,
    refreshesReceived: 0,
  };
  return {
    sent(kind, count = 1) {
      counts[SENT[kind]] += count;
    },
    received(kind) {
      counts[RECEIVED[kind]] += 1;
    },
    current: () => ({ ...counts }),
  };
}
