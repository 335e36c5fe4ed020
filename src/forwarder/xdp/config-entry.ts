/** The settings that the program reads: `tg_config` of `dataplane_abi.h`, which says what they mean. */
export interface ConfigEntry {
  readonly abiVersion: number;
  readonly flowMask: number;
  readonly reverseMask: number;
  readonly natPortFirst: number;
  readonly natPortLast: number;
  readonly hashSeed: bigint;
  readonly cookieKey: bigint;
  readonly natFilter: bigint;
  /** Answers come to these ports: `natPort…`, and what they were before. */
  readonly answerPortFirst: number;
  readonly answerPortLast: number;
  readonly tcpHalfOpenSec: number;
  readonly tcpEstablishedSec: number;
  readonly tcpClosingSec: number;
  readonly tcpTimeWaitSec: number;
  readonly udpSec: number;
  readonly udpStreamSec: number;
  readonly flags: number;
  readonly newFlowsPerSec: number;
  readonly repliesPerSec: number;
  readonly mtuMin: number;
  readonly clientPrefix4: number;
  readonly clientPrefix6: number;
  /** Places of the table of NAT addresses from here on are free. */
  readonly natLimit: number;
  /** 1 while packets are captured. */
  readonly capture: number;
}
