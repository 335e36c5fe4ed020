import type { HealthCheckSettings } from '../domain/health.ts';
import type { Problem, SourcePosition } from '../domain/problem.ts';
import type { SettingsFile } from './schema.ts';
import type { AdminTcp, BgpPart, ForwarderPart, KubernetesPart, Settings } from './settings.ts';
import {
  accepted,
  acceptedAddress,
  isLoopback,
  parseDuration,
  parsePortRange,
  parseStatusRanges,
} from './values.ts';

/** Kubernetes' limit. */
const MAX_LABEL_VALUE = 63;
/** 12 bits, RFC 4724 §3. */
const MAX_RESTART_TIME_MS = 4_095_000;
/** systemd and Kubernetes end a stopping speaker some seconds later (TimeoutStopSec of its unit). */
const MAX_SHUTDOWN_WAIT_MS = 60_000;

/** Where a field stands, by its path: `['forwarder', 'health', 'timeout']`. */
export type Locate = (path: readonly (string | number)[]) => SourcePosition;

/** Turns a valid file into domain types; problems are those that only two fields together make. */
export function decodeSettings(
  file: SettingsFile,
  host: { readonly hostname: string },
  locate: Locate,
): { settings: Settings; problems: readonly Problem[] } {
  const { stateDir, runDir, cluster, loadBalancer, log } = file;
  const settings: Settings = {
    node: file.node ?? host.hostname.toLowerCase(),
    stateDir,
    runDir,
    labels: Object.fromEntries(file.labels.map(splitLabel)),
    cluster: { ...cluster, kubernetes: decodeKubernetes(cluster.kubernetes) },
    loadBalancer,
    speaker: {
      interfaces: file.speaker.interfaces,
      gratuitous: {
        burst: file.speaker.gratuitous.burst,
        spacingMs: milliseconds(file.speaker.gratuitous.spacing),
        refreshMs: milliseconds(file.speaker.gratuitous.refresh),
      },
      bgp: decodeBgp(file.speaker.bgp),
    },
    forwarder: decodeForwarder(file.forwarder),
    admin: { tcp: decodeAdminTcp(file.admin.tcp) },
    log,
  };
  return { settings, problems: contradictions(settings, file, locate) };
}

function splitLabel(label: string): [name: string, value: string] {
  const at = label.indexOf('=');
  return [label.slice(0, at), label.slice(at + 1)];
}

function decodeKubernetes(file: SettingsFile['cluster']['kubernetes']): KubernetesPart {
  const { namespace, metallbNamespace, lease, heartbeat } = file;
  return {
    kubeconfig: file.kubeconfig,
    context: file.context,
    namespace,
    metallbNamespace,
    idleTimeoutMs: milliseconds(file.idleTimeout),
    lease: {
      durationMs: milliseconds(lease.duration),
      renewDeadlineMs: milliseconds(lease.renewDeadline),
      retryPeriodMs: milliseconds(lease.retryPeriod),
    },
    heartbeat: {
      intervalMs: milliseconds(heartbeat.interval),
      lifetimeMs: milliseconds(heartbeat.lifetime),
    },
  };
}

function decodeForwarder(file: SettingsFile['forwarder']): ForwarderPart {
  const { interfaces, xdpMode, localClients, bpfDir, limits, timeouts, scheduler, flood } = file;
  const { unservedPorts, unknownFlows, deadBackends, podRoutes } = file;
  return {
    interfaces,
    xdpMode,
    localClients,
    podRoutes,
    bpfDir,
    natAddresses: file.natAddresses.map(acceptedAddress),
    natPorts: accepted(parsePortRange(file.natPorts), file.natPorts),
    limits,
    timeouts: {
      tcpEstablished: milliseconds(timeouts.tcpEstablished) / 1000,
      tcpHalfOpen: milliseconds(timeouts.tcpHalfOpen) / 1000,
      tcpClosing: milliseconds(timeouts.tcpClosing) / 1000,
      tcpTimeWait: milliseconds(timeouts.tcpTimeWait) / 1000,
      udp: milliseconds(timeouts.udp) / 1000,
      udpStream: milliseconds(timeouts.udpStream) / 1000,
    },
    scheduler,
    unservedPorts,
    unknownFlows,
    deadBackends,
    flood,
    neighbours: { probeMs: milliseconds(file.neighbours.probe) },
    health: decodeHealth(file.health),
    healthFallback: file.health.fallback,
  };
}

/** Port and host are always the backend's own here; only a Service can say otherwise. */
function decodeHealth(file: SettingsFile['forwarder']['health']): HealthCheckSettings {
  return {
    kind: file.check,
    port: 0,
    path: file.path,
    host: '',
    expectedStatus: accepted(parseStatusRanges(file.expectedStatus), file.expectedStatus),
    intervalMs: milliseconds(file.interval),
    timeoutMs: milliseconds(file.timeout),
    rise: file.rise,
    fall: file.fall,
  };
}

function decodeAdminTcp(tcp: SettingsFile['admin']['tcp']): AdminTcp | undefined {
  if (!tcp) return undefined;
  return { address: acceptedAddress(tcp.address), port: tcp.port, tokenFile: tcp.tokenFile };
}

function decodeBgp(bgp: SettingsFile['speaker']['bgp']): BgpPart {
  return {
    routerId: bgp.routerId === undefined ? undefined : acceptedAddress(bgp.routerId),
    port: bgp.port,
    restartTimeMs: milliseconds(bgp.restartTime),
    shutdownWaitMs: milliseconds(bgp.shutdownWait),
  };
}

function contradictions(settings: Settings, file: SettingsFile, locate: Locate): Problem[] {
  const problems: Problem[] = [];
  const refuse = (path: readonly string[], message: string, remedy: string) =>
    problems.push({
      severity: 'error',
      position: locate(path),
      field: path.join('.'),
      message,
      remedy,
    });
  const { intervalMs, timeoutMs } = settings.forwarder.health;
  if (timeoutMs > intervalMs) {
    const { timeout, interval } = file.forwarder.health;
    const message = `Timeout "${timeout}" is longer than the interval "${interval}"`;
    refuse(
      ['forwarder', 'health', 'timeout'],
      message,
      'Write a shorter timeout or a longer interval',
    );
  }
  if (settings.cluster.source === 'kubernetes' && settings.node.length > MAX_LABEL_VALUE) {
    const message = `The name of this box has ${settings.node.length} characters and is a label's value`;
    refuse(['node'], message, `Write a node name of at most ${MAX_LABEL_VALUE} characters`);
  }
  const { bgp } = settings.speaker;
  if (bgp.restartTimeMs > MAX_RESTART_TIME_MS) {
    const message = `Restart time "${file.speaker.bgp.restartTime}" is longer than BGP can say`;
    refuse(['speaker', 'bgp', 'restartTime'], message, 'Write at most "4095s"; "120s" is usual');
  }
  if (bgp.shutdownWaitMs > MAX_SHUTDOWN_WAIT_MS) {
    const message = `A speaker that waits "${file.speaker.bgp.shutdownWait}" is killed before it withdraws`;
    refuse(['speaker', 'bgp', 'shutdownWait'], message, 'Write at most "60s"; "5s" is usual');
  }
  const { lease, heartbeat } = settings.cluster.kubernetes;
  const inKubernetes = (...path: string[]) => ['cluster', 'kubernetes', ...path];
  if (lease.renewDeadlineMs >= lease.durationMs) {
    const message = 'The leader gives up no earlier than others take over';
    const remedy = 'Write a renewDeadline shorter than the duration';
    refuse(inKubernetes('lease', 'renewDeadline'), message, remedy);
  }
  if (lease.retryPeriodMs >= lease.renewDeadlineMs) {
    const message = 'The Lease is not renewed before the leader gives up';
    refuse(
      inKubernetes('lease', 'retryPeriod'),
      message,
      'Write a period shorter than renewDeadline',
    );
  }
  if (heartbeat.lifetimeMs <= 2 * heartbeat.intervalMs) {
    const message = 'One lost heartbeat is taken for the death of the box';
    const remedy = 'Write a lifetime of more than twice the interval';
    refuse(inKubernetes('heartbeat', 'lifetime'), message, remedy);
  }
  const { tcp } = settings.admin;
  if (tcp && tcp.tokenFile === undefined && !isLoopback(tcp.address)) {
    const message = `Others can reach "${file.admin.tcp?.address}" and no token is set`;
    refuse(['admin', 'tcp', 'address'], message, 'Set admin.tcp.tokenFile, or listen on 127.0.0.1');
  }
  return problems;
}

function milliseconds(text: string): number {
  return accepted(parseDuration(text), text);
}
