import { loadNative } from './native.ts';

/** What the system granted: `realtime` goes before every ordinary thread, `nice` gets the most of them. */
export type ThreadPriority = 'realtime' | 'nice' | 'normal';

interface ThreadBinding {
  raiseThreadPriority(): 'realtime' | 'nice';
}

/** Raises the priority of the thread that calls, as far as CAP_SYS_NICE and limits allow. */
export function raiseThreadPriority(): ThreadPriority {
  const native = loadNative<ThreadBinding>();
  try {
    return native.raiseThreadPriority();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM' || code === 'EACCES') return 'normal';
    throw error;
  }
}
