import { stat } from 'node:fs/promises';
import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import { type Access, filesOf } from './access.ts';
import { type Credentials, loadCredentials } from './credentials.ts';

/** Credentials that follow their files and renew themselves before they expire. */
export interface FreshCredentials {
  current(): Promise<Credentials>;
  /** After the server refused them: everything is read, and the plugin run, again. Never rejects. */
  renew(refused: Credentials): Promise<Credentials>;
}

export interface FreshCredentialsOptions {
  readonly readAccess: () => Promise<Access>;
  /** The kubeconfig's path, when there is one. */
  readonly file: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** How often files are looked at, at most: a request after so long sees what has changed. */
const CHECK_INTERVAL_MS = 1_000;
/** Made anew so long before they expire, ms: as long as a request may take, with a clock a bit off. */
const EXPIRY_MARGIN_MS = 30_000;
/** A plugin whose credentials live shorter than the margin is not run for each request. */
const RENEW_INTERVAL_MS = 5_000;
const COMPLAINT_INTERVAL_MS = 60_000;

/**
 * Rejects with ApiError (`Credentials`) when they cannot be read at first. Later failures (a file
 * half written, a certificate without its new key yet) leave the former credentials in force.
 */
export async function openFreshCredentials(
  options: FreshCredentialsOptions,
): Promise<FreshCredentials> {
  const { clock, log } = options;
  let fingerprint = '';
  let files = options.file === undefined ? [] : [options.file];
  let checkedMs = clock.monotonicMs();
  let loadedMs = checkedMs;
  let complainedMs = Number.NEGATIVE_INFINITY;
  let told = '';
  let loading: Promise<void> | undefined;
  let current = await load();

  async function load(): Promise<Credentials> {
    // Taken before the reading: a change meanwhile is a change at the next look.
    const seen = await fingerprintOf(files);
    const access = await options.readAccess();
    const known = new Set(files);
    files = [...(options.file === undefined ? [] : [options.file]), ...filesOf(access)];
    fingerprint = files.every((file) => known.has(file)) ? seen : await fingerprintOf(files);
    const loaded = await loadCredentials(access, clock);
    tellDangers(loaded);
    return loaded;
  }

  function reload(): Promise<void> {
    loading ??= tryLoad().finally(() => {
      loading = undefined;
    });
    return loading;
  }

  async function tryLoad() {
    loadedMs = clock.monotonicMs();
    try {
      current = await load();
    } catch (error) {
      fingerprint = '';
      if (clock.monotonicMs() - complainedMs < COMPLAINT_INTERVAL_MS) return;
      complainedMs = clock.monotonicMs();
      log.warn('Cannot read the new credentials; the former stay in use', { error });
    }
  }

  function tellDangers({ tls, server, origin, identity }: Credentials) {
    if (identity === told) return;
    told = identity;
    if (tls === undefined) {
      log.warn('Speaking to the API server in clear: set an https:// server', {
        origin,
        server: server.origin,
      });
    } else if (!tls.verify) {
      log.warn(
        'THE API SERVER IS NOT VERIFIED: whoever is on the way can take its place and our ' +
          'credentials; set certificate-authority instead of insecure-skip-tls-verify',
        { origin, server: server.origin },
      );
    }
  }

  async function isStale(): Promise<boolean> {
    const now = clock.monotonicMs();
    const { expiresMs } = current;
    const expires = expiresMs !== undefined && expiresMs - EXPIRY_MARGIN_MS < clock.wallMs();
    if (expires && now - loadedMs >= RENEW_INTERVAL_MS) return true;
    if (now - checkedMs < CHECK_INTERVAL_MS) return false;
    checkedMs = now;
    return files.length > 0 && (await fingerprintOf(files)) !== fingerprint;
  }

  return {
    async current() {
      if (await isStale()) await reload();
      return current;
    },
    async renew(refused) {
      // Another request may have been refused, and helped, before.
      if (current === refused) await reload();
      return current;
    },
  };
}

/** Whatever changes when a file is written, replaced, or a link on its way is swapped. */
async function fingerprintOf(files: readonly string[]): Promise<string> {
  const parts = files.map(async (file) => {
    const found = await stat(file, { bigint: true }).catch(() => undefined);
    return found ? `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}` : 'none';
  });
  return (await Promise.all(parts)).join(' ');
}
