import type { Clock } from '../../domain/clock.ts';

/** Notices that a thread which reports once a second does so no more. */
export interface ThreadWatch {
  /** The thread has reported. */
  heard(): void;
  end(): void;
}

const LOOK_MS = 1000;
/** Looks, and not seconds: a main thread that was busy itself finds the reports before the next one. */
export const SILENT_LOOKS_MAX = 10;

/** `onHang` is called once at most. */
export function watchThread(clock: Clock, onHang: () => void): ThreadWatch {
  let silentLooks = 0;
  let cancel = clock.after(LOOK_MS, look);

  function look() {
    silentLooks += 1;
    if (silentLooks < SILENT_LOOKS_MAX) cancel = clock.after(LOOK_MS, look);
    else onHang();
  }

  return {
    heard() {
      silentLooks = 0;
    },
    end: () => cancel(),
  };
}
