import type { Leader, LeaderOptions } from './leader.ts';

/** Begins to stand for leadership. Failures are logged and tried again; it never rejects. */
export declare function startLeader(options: LeaderOptions): Leader;
