import type { CapturedPacket, InspectView, TracedPacket } from '../../src/admin/inspect-view.ts';
import type { Mac } from '../../src/domain/mac.ts';
import { address } from './objects.ts';

const TOTALS = {
  newFlows: 1234,
  inPackets: 5000,
  inBytes: 400_000,
  outPackets: 6000,
  outBytes: 9_000_000,
  drops: 7,
  flows: 17,
};
const PORT_MAC = 0x0200_0000_00eb as Mac;

/** A forwarder on eth0 that forwards the first packet of a trace, drops the second, passes the rest. */
export function fakeInspection(): InspectView {
  let isCapturing = false;
  return {
    isCapturing: () => isCapturing,
    totals: () => new Map([['192.0.2.1 TCP 80', TOTALS]]),
    natUse: () => ({ addresses: [{ address: address('10.0.0.254'), flows: 17 }], fullest: 0.25 }),
    capture() {
      if (isCapturing)
        return { refusal: 'Another capture is running; end it, or wait for its end' };
      isCapturing = true;
      let turn = 0n;
      return {
        capture: {
          read: () => ({ packets: capturedTurn(++turn), lost: 5 }),
          stop: () => {
            isCapturing = false;
          },
        },
      };
    },
    async trace(port = 'eth0', frames) {
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

/** A packet that is forwarded and one that is dropped. */
function capturedTurn(turn: bigint): CapturedPacket[] {
  const packet = (id: bigint, direction: 'in' | 'out', verdict: number): CapturedPacket => ({
    direction,
    id,
    timeNs: 1_767_323_045_000_000_000n + id,
    interface: direction === 'in' ? 'eth0' : 'eth1',
    verdict,
    length: 100,
    bytes: new Uint8Array(direction === 'out' && verdict === 1 ? 0 : 64).fill(Number(id % 100n)),
  });
  const [one, other] = [turn * 2n, turn * 2n + 1n];
  return [
    packet(one, 'in', 0),
    packet(one, 'out', 4),
    packet(other, 'in', 0),
    packet(other, 'out', 1),
  ];
}
