import type { ForwarderSettings } from '../../src/forwarder/settings.ts';
import { forwardSettings } from '../support/forward-settings.ts';

/** Settings of a small forwarder without health checks; `bpfDir` and `runDir` must be given. */
export function forwarderSettings(
  fields: Partial<ForwarderSettings> & Pick<ForwarderSettings, 'bpfDir' | 'runDir'>,
): ForwarderSettings {
  return {
    interfaces: [],
    xdpMode: 'auto',
    localClients: false,
    podRoutes: 'off',
    natAddresses: [],
    natPorts: { first: 10_000, last: 29_999 },
    limits: {
      flows: 65_536,
      servers: 1024,
      backends: 4096,
      affinity: 4096,
      fragments: 1024,
      sourceRanges: 4096,
    },
    timeouts: {
      tcpHalfOpen: 15,
      tcpEstablished: 3600,
      tcpClosing: 10,
      tcpTimeWait: 65,
      udp: 30,
      udpStream: 180,
    },
    unservedPorts: 'reject',
    unknownFlows: 'reset',
    flood: { newFlows: 50_000, repliesPerSecond: 1000, clientPrefix4: 32, clientPrefix6: 64 },
    neighbours: { probeMs: 400 },
    plan: forwardSettings(),
    ...fields,
  };
}
