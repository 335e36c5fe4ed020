import { formatAddress, parseAddress } from '../domain/address.ts';
import type { VipAnnouncement, VipServing } from '../domain/observed.ts';
import type { Json } from './json.ts';

/**
 * The reports by which the roles of a box tell one another what they do: ledgers in the run
 * directory, keyed by address text. Whoever reads one skips entries it does not understand, so that
 * roles of two versions get along.
 */
export const FORWARDER_REPORT = 'forwarder.ledger';
export const SPEAKER_REPORT = 'speaker.ledger';
/** Key of the forwarder's report that is no address: `{ready, atMs}` of the forwarder as a whole. */
export const READY_KEY = '!ready';

export function encodeServing(serving: VipServing): Json {
  return { ...serving, address: formatAddress(serving.address) };
}

export function decodeServing(json: Json | undefined): VipServing | undefined {
  const { address, service, servable, usableBackends, backends, reason, revision } = fieldsOf(json);
  const parsed = typeof address === 'string' ? parseAddress(address) : undefined;
  if (
    parsed === undefined ||
    typeof service !== 'string' ||
    typeof servable !== 'boolean' ||
    typeof usableBackends !== 'number' ||
    typeof backends !== 'number' ||
    typeof reason !== 'string' ||
    typeof revision !== 'number'
  )
    return undefined;
  return { address: parsed, service, servable, usableBackends, backends, reason, revision };
}

export function encodeAnnouncement(announcement: VipAnnouncement): Json {
  return { ...announcement, address: formatAddress(announcement.address) };
}

export function decodeAnnouncement(json: Json | undefined): VipAnnouncement | undefined {
  const { address, announced, interfaces, peers, reason, sinceMs } = fieldsOf(json);
  const parsed = typeof address === 'string' ? parseAddress(address) : undefined;
  if (
    parsed === undefined ||
    typeof announced !== 'boolean' ||
    !isTexts(interfaces) ||
    !isTexts(peers) ||
    typeof reason !== 'string' ||
    typeof sinceMs !== 'number'
  )
    return undefined;
  return { address: parsed, announced, interfaces, peers, reason, sinceMs };
}

function fieldsOf(json: Json | undefined): { readonly [key: string]: Json | undefined } {
  const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
  return isObject ? (json as { readonly [key: string]: Json }) : {};
}

function isTexts(json: Json | undefined): json is readonly string[] {
  return Array.isArray(json) && json.every((item) => typeof item === 'string');
}
