import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openLedger } from '../system/ledger.ts';
import { openNetworkConfig } from '../system/network-config.ts';
import { lockFile } from '../system/process-lock.ts';
import { FORWARDER_REPORT } from '../system/reports.ts';
import { interfaceOfPin, LINKS_FOLDER, pinsIn } from './link-pins.ts';
import { isOwnInterface } from './local-clients/local-interfaces.ts';
import { removeLocalClients } from './local-clients/remove-local-clients.ts';
import { removePodRoutes } from './pod-routes/pod-route-target.ts';
import { FORWARDER_LOCK } from './settings.ts';

/** What `detach` needs to know of the settings. */
export interface DetachSettings {
  readonly bpfDir: string;
  readonly runDir: string;
}

/** What there was to take away. */
export interface Detached {
  readonly interfaces: readonly string[];
  readonly maps: boolean;
}

/**
 * Takes the XDP program off all interfaces, and removes its maps and the interfaces that were made
 * for it, and routes to Pods: what it forwarded is forwarded no more, and open connections end. The report says first
 * that nothing is served, so that the speaker withdraws what it announces; the report itself stays,
 * empty. Rejects with `ELOCKED` while a forwarder runs.
 */
export async function detach({ bpfDir, runDir }: DetachSettings): Promise<Detached> {
  const lock = lockFile(join(runDir, FORWARDER_LOCK));
  try {
    const ledger = await openLedger(join(runDir, FORWARDER_REPORT), { durable: false });
    await ledger.put([...ledger.entries.keys()].map((key) => [key, undefined] as const));
    await ledger.close();
    const interfaces = pinsIn(join(bpfDir, LINKS_FOLDER)).map(interfaceOfPin);
    const maps = existsSync(bpfDir);
    rmSync(join(bpfDir, LINKS_FOLDER), { recursive: true, force: true });
    rmSync(bpfDir, { recursive: true, force: true });
    await removeLocalClients(openNetworkConfig);
    await removePodRoutes(openNetworkConfig);
    return { interfaces: interfaces.filter((name) => !isOwnInterface(name)), maps };
  } finally {
    lock.release();
  }
}
