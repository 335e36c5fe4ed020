import type { Address } from '../domain/address.ts';
import type { HealthCheckSettings } from '../domain/health.ts';
import type { Labels } from '../domain/object.ts';
import type { Scheduler } from '../domain/scheduler.ts';
import type { DeadBackend, TargetKind } from '../domain/service.ts';
import type { PortRange } from './values.ts';

/** Settings after decoding: numbers with units in their names, addresses parsed. */
export interface Settings {
  readonly node: string;
  readonly stateDir: string;
  readonly runDir: string;
  /** Of this box. */
  readonly labels: Labels;
  readonly cluster: {
    readonly source: 'files' | 'kubernetes';
    readonly files: { readonly path: string };
    readonly kubernetes: KubernetesPart;
  };
  readonly loadBalancer: {
    readonly class: string;
    readonly handleUnclassed: boolean;
    readonly scopeSharingKeys: boolean;
    readonly target: TargetKind;
    readonly topologyHints: 'ignore' | 'honour';
    readonly nodeHealth: 'kube-proxy' | 'off';
  };
  readonly speaker: {
    readonly interfaces: readonly string[];
    readonly gratuitous: {
      readonly burst: number;
      readonly spacingMs: number;
      readonly refreshMs: number;
    };
    readonly bgp: BgpPart;
  };
  readonly forwarder: ForwarderPart;
  readonly admin: { readonly tcp: AdminTcp | undefined };
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error';
    readonly format: 'auto' | 'json' | 'pretty';
  };
}

export interface BgpPart {
  /** `undefined`: chosen from the box's addresses. */
  readonly routerId: Address | undefined;
  readonly port: number;
  readonly restartTimeMs: number;
  readonly shutdownWaitMs: number;
}

export interface KubernetesPart {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly namespace: string;
  readonly metallbNamespace: string;
  readonly idleTimeoutMs: number;
  readonly lease: {
    readonly durationMs: number;
    readonly renewDeadlineMs: number;
    readonly retryPeriodMs: number;
  };
  readonly heartbeat: { readonly intervalMs: number; readonly lifetimeMs: number };
}

export interface ForwarderPart {
  readonly interfaces: readonly string[];
  readonly xdpMode: 'auto' | 'native' | 'generic';
  readonly localClients: boolean;
  readonly podRoutes: 'auto' | 'off';
  readonly bpfDir: string;
  readonly natAddresses: readonly Address[];
  readonly natPorts: PortRange;
  readonly limits: {
    readonly flows: number;
    readonly servers: number;
    readonly backends: number;
    readonly affinity: number;
    readonly fragments: number;
    readonly sourceRanges: number;
  };
  /** Seconds. */
  readonly timeouts: {
    readonly tcpEstablished: number;
    readonly tcpHalfOpen: number;
    readonly tcpClosing: number;
    readonly tcpTimeWait: number;
    readonly udp: number;
    readonly udpStream: number;
  };
  readonly unservedPorts: 'reject' | 'drop';
  readonly unknownFlows: 'reset' | 'drop';
  readonly deadBackends: DeadBackend;
  readonly scheduler: Scheduler;
  readonly flood: {
    /** Per second and CPU. */
    readonly newFlows: number;
    /** Per second and CPU. */
    readonly repliesPerSecond: number;
    /** Per second from one client prefix to one VIP port; 0: no limit. */
    readonly clientNewFlows: number;
    readonly clientPrefix4: number;
    readonly clientPrefix6: number;
  };
  readonly neighbours: { readonly probeMs: number };
  readonly health: HealthCheckSettings;
  readonly healthFallback: 'fail-open' | 'fail-closed';
}

/** The optional TCP listener of the admin API. */
export interface AdminTcp {
  readonly address: Address;
  readonly port: number;
  readonly tokenFile: string | undefined;
}
