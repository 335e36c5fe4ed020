import type { Log } from '../../domain/log.ts';
import type { Link } from '../../protocol/rtnetlink/link.ts';
import type { NetworkEvent, Rtnetlink } from '../../system/rtnetlink.ts';

/** Nothing is told after `close`, which is idempotent. */
export interface LinkWatch {
  close(): void;
}

/**
 * Follows the interfaces. `onChange` is called with all of them before this resolves, and after each
 * later change, an interface that got another name or MAC included.
 *
 * An event is only taken as a hint to list anew: some speak of a bridge's port and not of the
 * interface, some get lost, and lists are short.
 */
export async function watchLinks(
  openRtnetlink: (onEvent: (event: NetworkEvent) => void) => Rtnetlink,
  log: Log,
  onChange: (links: readonly Link[]) => void,
): Promise<LinkWatch> {
  let listing = true;
  let outdated = false;
  let closed = false;

  const rtnetlink = openRtnetlink(({ kind }) => {
    if (kind !== 'link' && kind !== 'lost') return;
    outdated = true;
    if (!listing) refresh();
  });

  async function list(): Promise<void> {
    listing = true;
    try {
      do {
        outdated = false;
        const links = await rtnetlink.links();
        if (!closed) onChange(links);
      } while (outdated && !closed);
    } finally {
      listing = false;
    }
  }

  function refresh() {
    list().catch((error) => {
      if (!closed) log.error('Cannot list the interfaces; waiting for their next event', { error });
    });
  }

  const close = () => {
    closed = true;
    rtnetlink.close();
  };
  try {
    await list();
  } catch (error) {
    close();
    throw error;
  }
  return { close };
}
