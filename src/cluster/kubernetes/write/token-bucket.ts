import type { Clock } from '../../../domain/clock.ts';

/** Something may happen `perSec` times a second, and `burst` times at once. */
export interface TokenBucket {
  /** 0 when it may happen now; else how long until then, ms. */
  waitMs(): number;
  /** It happens now, if it may. */
  take(): boolean;
}

export function createTokenBucket(clock: Clock, perSec: number, burst: number): TokenBucket {
  let tokens = burst;
  let atMs = clock.monotonicMs();
  const refill = () => {
    const nowMs = clock.monotonicMs();
    tokens = Math.min(burst, tokens + ((nowMs - atMs) / 1000) * perSec);
    atMs = nowMs;
  };
  return {
    waitMs() {
      refill();
      return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / perSec) * 1000);
    },
    take() {
      refill();
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
