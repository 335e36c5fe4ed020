import { ByteReader } from '../../bytes.ts';
import type { NotificationContent } from '../message.ts';
import {
  CEASE,
  HEADER_ERROR,
  NOTIFICATION,
  OPEN_ERROR,
  UPDATE_ERROR,
} from '../notification-codes.ts';
import { decodeCapabilities } from '../open/capability.ts';
import { describeCapability, describePair } from '../open/describe-capability.ts';
import { attributeName } from '../update/attribute.ts';
import { NOTIFICATION_TEXTS } from './notification-texts.ts';
import { decodeShutdownText } from './shutdown-text.ts';

/**
 * In words, on one line: what the error is, what its data says, and where there is one the likely remedy;
 * true whichever side said it. `Too many prefixes (IPv4 unicast, at most 10): announce fewer …`
 */
export function describeNotification(content: NotificationContent): string {
  const { code, subcode } = content;
  const texts = NOTIFICATION_TEXTS.get(code);
  if (texts === undefined) return `Error ${code} with subcode ${subcode}, which nobody defined`;
  const known = texts.bySubcode.get(subcode);
  const vague = subcode === 0 || texts.bySubcode.size === 0;
  const name = known?.name ?? (vague ? texts.name : `${texts.name}, subcode ${subcode}`);
  const detail = detailOf(content);
  const remedy = known ? known.remedy : texts.remedy;
  return `${name}${detail && ` (${detail})`}${remedy && `: ${remedy}`}`;
}

/** What the data says, in words; empty when it says nothing. */
function detailOf({ code, subcode, data }: NotificationContent): string {
  switch (code) {
    case NOTIFICATION.header:
      return headerDetail(subcode, data);
    case NOTIFICATION.open:
      return openDetail(subcode, data);
    case NOTIFICATION.update:
      return updateDetail(subcode, data);
    case NOTIFICATION.cease:
      return ceaseDetail(subcode, data);
    default:
      return '';
  }
}

function headerDetail(subcode: number, data: Uint8Array): string {
  if (subcode === HEADER_ERROR.badLength && data.length === 2)
    return `${new ByteReader(data).u16()} octets`;
  return subcode === HEADER_ERROR.badType && data.length === 1 ? `type ${data[0]}` : '';
}

/** RFC 4271 §6.2: the version that would do; RFC 5492 §3: the capabilities that are missing. */
function openDetail(subcode: number, data: Uint8Array): string {
  if (subcode === OPEN_ERROR.unsupportedVersion && data.length === 2)
    return `version ${new ByteReader(data).u16()} would do`;
  if (subcode !== OPEN_ERROR.unsupportedCapability) return '';
  return (decodeCapabilities(data) ?? []).map(describeCapability).join(', ');
}

/** RFC 4271 §6.3: the attribute as it came, or the type code of the missing one. */
function updateDetail(subcode: number, data: Uint8Array): string {
  const code = data[subcode === UPDATE_ERROR.missingWellKnown ? 0 : 1];
  return code === undefined || subcode === UPDATE_ERROR.invalidNetwork ? '' : attributeName(code);
}

function ceaseDetail(subcode: number, data: Uint8Array): string {
  switch (subcode) {
    case CEASE.maximumPrefixes:
      return limitDetail(data);
    case CEASE.administrativeShutdown:
    case CEASE.administrativeReset:
      return quoted(decodeShutdownText(data));
    case CEASE.hardReset:
      return innerDetail(data);
    default:
      return '';
  }
}

/** RFC 4486 §4: AFI, SAFI and the number. */
function limitDetail(data: Uint8Array): string {
  if (data.length !== 7) return '';
  const reader = new ByteReader(data);
  return `${describePair(reader.u16(), reader.u8())}, at most ${reader.u32()}`;
}

/** RFC 8538 §3.1: the NOTIFICATION that it stands for, which is no hard reset again. */
function innerDetail(data: Uint8Array): string {
  const [code, subcode] = data;
  if (code === undefined || subcode === undefined) return '';
  if (code === NOTIFICATION.cease && subcode === CEASE.hardReset) return '';
  return describeNotification({ code, subcode, data: data.subarray(2) });
}

function quoted(text: string): string {
  return text === '' ? '' : `"${text}"`;
}
