/** Ethernet frames of a capture file, in its order. */
export type CaptureFrames =
  | { readonly frames: readonly Uint8Array[]; readonly refusal?: never }
  | { readonly frames?: never; readonly refusal: string };

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const BLOCK_SECTION = 0x0a0d0d0a;
const BLOCK_INTERFACE = 1;
const BLOCK_SIMPLE = 3;
const BLOCK_ENHANCED = 6;
const BYTE_ORDER = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;

const NOT_ETHERNET = 'Only captures of Ethernet can be read, not of a tunnel or of "any"';
const CUT_SHORT = 'The file ends in the middle of a packet';

/**
 * Reads a libpcap file (draft-ietf-opsawg-pcap) or a pcapng file (draft-ietf-opsawg-pcapng), of
 * either byte order. Packets that were captured only in part are as short as they stand there.
 */
export function readCapture(file: Uint8Array): CaptureFrames {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < FILE_HEADER) return { refusal: 'The file is too short for a capture' };
  if (view.getUint32(0) === BLOCK_SECTION) return readBlocks(file, view);
  for (const little of [true, false]) {
    const magic = view.getUint32(0, little);
    if (magic === MAGIC_MICROSECONDS || magic === MAGIC_NANOSECONDS) {
      return readRecords(file, view, little);
    }
  }
  return { refusal: 'The file is neither pcap nor pcapng' };
}

function readRecords(file: Uint8Array, view: DataView, little: boolean): CaptureFrames {
  if ((view.getUint32(20, little) & 0xffff) !== LINKTYPE_ETHERNET) return { refusal: NOT_ETHERNET };
  const frames: Uint8Array[] = [];
  let at = FILE_HEADER;
  while (at < file.length) {
    if (at + RECORD_HEADER > file.length) return { refusal: CUT_SHORT };
    const end = at + RECORD_HEADER + view.getUint32(at + 8, little);
    if (end > file.length) return { refusal: CUT_SHORT };
    frames.push(file.subarray(at + RECORD_HEADER, end));
    at = end;
  }
  return { frames };
}

function readBlocks(file: Uint8Array, view: DataView): CaptureFrames {
  const frames: Uint8Array[] = [];
  let little = true;
  for (let at = 0; at < file.length; ) {
    if (at + 12 > file.length) return { refusal: CUT_SHORT };
    const isSection = view.getUint32(at) === BLOCK_SECTION;
    if (isSection) little = view.getUint32(at + 8, true) === BYTE_ORDER;
    const type = isSection ? BLOCK_SECTION : view.getUint32(at, little);
    const length = view.getUint32(at + 4, little);
    if (length < 12 || length % 4 !== 0 || at + length > file.length) {
      return { refusal: CUT_SHORT };
    }
    if (type === BLOCK_INTERFACE && view.getUint16(at + 8, little) !== LINKTYPE_ETHERNET) {
      return { refusal: NOT_ETHERNET };
    }
    const [header, field] = type === BLOCK_ENHANCED ? [28, 20] : [12, 8];
    if (type === BLOCK_ENHANCED || type === BLOCK_SIMPLE) {
      if (length < header + 4) return { refusal: CUT_SHORT };
      const bytes = Math.min(view.getUint32(at + field, little), length - header - 4);
      frames.push(file.subarray(at + header, at + header + bytes));
    }
    at += length;
  }
  return { frames };
}
