import { join } from 'node:path';
import { holdFragments } from '../system/bpf.ts';
import { openLedger } from '../system/ledger.ts';
import { openNetworkConfig } from '../system/network-config.ts';
import { lockFile } from '../system/process-lock.ts';
import { FORWARDER_REPORT } from '../system/reports.ts';
import { openRtnetlink } from '../system/rtnetlink.ts';
import { checkNatPorts } from './environment.ts';
import type { Forwarder, ForwarderDeps } from './forwarder.ts';
import { removeLocalClients } from './local-clients/remove-local-clients.ts';
import { followNetwork } from './network.ts';
import { removePodRoutes } from './pod-routes/pod-route-target.ts';
import { createReport } from './report.ts';
import { RunningForwarder } from './running-forwarder.ts';
import { FORWARDER_LOCK } from './settings.ts';
import { loadProgram } from './xdp/load.ts';

/**
 * Starts forwarding. Rejects with a sentence that names what stands in the way: another forwarder
 * on this box (`ELOCKED`), ports of the box among the NAT ports, maps of another size (`EABI`).
 */
export async function startForwarder(deps: ForwarderDeps): Promise<Forwarder> {
  const { settings, clock } = deps;
  const log = deps.log.child({ role: 'forwarder' });
  const undo: (() => unknown)[] = [];
  try {
    const lock = lockFile(join(settings.runDir, FORWARDER_LOCK));
    undo.push(() => lock.release());
    checkNatPorts(settings.natPorts);
    const ledger = await openLedger(join(settings.runDir, FORWARDER_REPORT), { durable: false });
    undo.push(() => ledger.close());
    const network = await followNetwork({ open: openRtnetlink, clock, log });
    undo.push(() => network.close());
    const program = loadProgram(settings);
    undo.push(() => program.object.close());
    // Maps that are refused leave all as it is.
    if (!settings.localClients) await removeLocalClients(openNetworkConfig);
    if (settings.podRoutes === 'off') await removePodRoutes(openNetworkConfig);
    const fragments = holdFragments(program.object);
    undo.push(() => fragments.stop());
    const health = await deps.startHealth();
    undo.push(() => health.stop());
    const report = createReport(ledger, clock, log);
    return new RunningForwarder({
      ...deps,
      log,
      network,
      program,
      fragments,
      health,
      report,
      lock,
    });
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}
