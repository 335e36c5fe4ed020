import type { DataplaneLayout } from './abi.ts';

export type FlowState =
  | 'half-open'
  | 'established'
  | 'closing'
  | 'time-wait'
  | 'udp'
  | 'udp-stream';

/** What `tg_flow.state` means. */
export function flowStates(layout: DataplaneLayout): ReadonlyMap<number, FlowState> {
  return new Map([
    [layout.constant('TG_FLOW_HALF_OPEN'), 'half-open'],
    [layout.constant('TG_FLOW_ESTABLISHED'), 'established'],
    [layout.constant('TG_FLOW_CLOSING'), 'closing'],
    [layout.constant('TG_FLOW_TIME_WAIT'), 'time-wait'],
    [layout.constant('TG_FLOW_UDP'), 'udp'],
    [layout.constant('TG_FLOW_UDP_STREAM'), 'udp-stream'],
  ]);
}
