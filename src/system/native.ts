import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * The one door to `native/build/tidegate.node`. Each adapter of this folder states the functions it
 * uses as an interface and asks for them here: `const binding = loadNative<BpfBinding>()`.
 */
const PATH = fileURLToPath(new URL('../../native/build/tidegate.node', import.meta.url));

let loaded: unknown;

/** Loads the addon once a process. Throws with the remedy when it was not built. */
export function loadNative<T>(): T {
  if (loaded === undefined) {
    if (!existsSync(PATH)) {
      throw new Error(`The native addon ${PATH} is missing; build it with "npm run build"`);
    }
    loaded = createRequire(import.meta.url)(PATH);
  }
  return loaded as T;
}
