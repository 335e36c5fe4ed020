import type { InspectView, TracedPacket } from '../../src/admin/inspect-view.ts';
import type { Mac } from '../../src/domain/mac.ts';

const PORT_MAC = 0x0200_0000_00eb as Mac;

/** A forwarder on eth0 that forwards the first packet of a trace, drops the second, passes the rest. */
export function fakeInspection(): InspectView {
  return {
    trace(port = 'eth0', frames) {
      if (port !== 'eth0') {
        return { refusal: `Interface "${port}" does not carry the program; these do: eth0` };
      }
      return { port, packets: frames(PORT_MAC).map(traced), omitted: 0 };
    },
  };
}

function traced(before: Uint8Array, index: number): TracedPacket {
  const outcome = (['forwarded', 'dropped'] as const)[index] ?? 'passed';
  const steps = [
    { name: 'whole', facts: {} },
    {
      name: 'vip_port',
      facts: { server: '192.0.2.1 TCP 80', scheduler: 'hash', places: 1021 },
    },
    { name: 'flow_none', facts: {} },
    ...(outcome === 'forwarded'
      ? [
          { name: 'drawn', facts: { backend: '10.0.0.1:8080' } },
          { name: 'claimed', facts: { entry: 80, was: 'free' } },
          { name: 'nat', facts: { natAddress: '10.0.0.254', natPort: 40_180, failedTries: 0 } },
          { name: 'sent', facts: { interface: 'eth1' } },
        ]
      : []),
  ];
  const after = before.slice();
  if (outcome === 'forwarded') after[22] = (after[22] ?? 1) - 1;
  return { outcome, reason: outcome === 'dropped' ? 'drop_nat_ports' : '', steps, before, after };
}
