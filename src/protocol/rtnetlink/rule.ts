import type { Family } from '../../domain/address.ts';
import { AF_INET, AF_INET6 } from './ip-bytes.ts';
import { decodeAttributes, encodeBody, readText, readU32, text, u32 } from './message.ts';

/** A routing policy rule (`linux/fib_rules.h`), as far as it is of interest here. */
export interface Rule {
  readonly family: Family;
  /** Lower is asked first. */
  readonly priority: number;
  readonly table: number;
  /** Where packets come in by; `lo` means: this box's own. Empty: anywhere. */
  readonly inputInterface: string;
}

export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
export const RTM_GETRULE = 34;

const RULE_BYTES = 12;
const FR_ACT_TO_TBL = 1;
const FRA_IIFNAME = 3;
const FRA_PRIORITY = 6;
const FRA_TABLE = 15;

export function encodeRuleDump(family: Family): Uint8Array {
  const fixed = new Uint8Array(RULE_BYTES);
  fixed[0] = family === 4 ? AF_INET : AF_INET6;
  return fixed;
}

/** The body of an `RTM_NEWRULE` or `RTM_DELRULE`. */
export function encodeRule({ family, priority, table, inputInterface }: Rule): Uint8Array {
  const fixed = encodeRuleDump(family);
  fixed[7] = FR_ACT_TO_TBL;
  return encodeBody(fixed, [
    [FRA_IIFNAME, text(inputInterface)],
    [FRA_PRIORITY, u32(priority)],
    [FRA_TABLE, u32(table)],
  ]);
}

/** Reads the body of `RTM_NEWRULE` or `RTM_DELRULE`; `undefined` for other families. */
export function decodeRule(body: Uint8Array): Rule | undefined {
  if (body.length < RULE_BYTES) return undefined;
  const family = body[0];
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const attributes = decodeAttributes(body, RULE_BYTES);
  return {
    family: family === AF_INET ? 4 : 6,
    priority: readU32(attributes.get(FRA_PRIORITY)) ?? 0,
    table: readU32(attributes.get(FRA_TABLE)) ?? (body[4] as number),
    inputInterface: readText(attributes.get(FRA_IIFNAME)),
  };
}
