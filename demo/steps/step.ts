import type { DemoSite } from '../demo-site.ts';

/** One numbered step of the demo. */
export interface Step {
  readonly title: string;
  /** One or two sentences for a newcomer: what happens, and why it matters. */
  readonly explanation: string;
  /** True when nothing after it can work without it. */
  readonly essential?: boolean;
  /** Does it, and resolves with what was seen; throws when it is not as it should be. */
  run(demo: DemoSite): Promise<string>;
}

/** Throws with `message` unless it holds. */
export function expect(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message);
}
