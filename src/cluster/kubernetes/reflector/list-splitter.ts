import { ApiError } from '../transport/api-error.ts';
import { garbage } from './garbage.ts';
import { MAX_LINE_BYTES } from './lines.ts';

/** Takes a list apart while it arrives, so that neither its text nor a long turn is ever there. */
export interface ListSplitter {
  /** Calls `onItem` with the JSON text of each item that this piece completes. Throws ApiError. */
  push(piece: Uint8Array, onItem: (text: string) => void): void;
  /** The list without its items, when it is complete. Throws ApiError when it is not. */
  end(): unknown;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
/** Depth of the list's own fields, and of its items. */
const FIELDS = 1;
const ITEMS = 2;
const NOTHING = Buffer.alloc(0);

/**
 * Follows strings and brackets only; whether what lies between is JSON is found when it is parsed.
 * Items are what stands in the array named `items` of the outermost object; all else is the frame,
 * which is parsed with that array empty.
 */
export function createListSplitter(limit = MAX_LINE_BYTES): ListSplitter {
  const frame = createText(limit);
  const item = createText(limit);
  let depth = 0;
  let inString = false;
  let escaped = false;
  let inItems = false;
  let hasItems = false;
  let done = false;

  function scan(bytes: Buffer, onItem: (text: string) => void) {
    /** Where the bytes begin that have not been put anywhere. */
    let start = 0;
    const put = (end: number) => {
      (inItems ? item : frame).add(bytes, start, end);
      start = end;
    };
    const finishItem = (end: number, isLast: boolean) => {
      const text = item.take(bytes, start, end);
      start = end;
      if (text.trim() !== '') onItem(text);
      else if (!isLast || hasItems) throw garbage('The list has an empty item');
      hasItems = true;
    };
    for (let at = 0; at < bytes.length; at += 1) {
      // Most bytes are in strings: this loop is what the time goes to.
      if (inString) {
        at = endOfString(bytes, at);
        if (at === bytes.length) break;
      }
      const byte = bytes[at] as number;
      if (inString) {
        inString = false;
      } else if (byte === QUOTE) {
        inString = true;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        depth += 1;
        if (byte === OPEN_BRACKET && depth === ITEMS && !inItems) {
          put(at + 1);
          inItems = frame.endsWithItems();
        }
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        depth -= 1;
        if (inItems && depth === FIELDS) {
          finishItem(at, true);
          inItems = false;
        }
        if (depth <= 0) done = true;
      } else if (byte === COMMA && inItems && depth === ITEMS) {
        finishItem(at, false);
        start = at + 1;
      }
    }
    put(bytes.length);
  }

  /** Where the string that `from` lies in has its closing quote; the length when that is to come. */
  function endOfString(bytes: Buffer, from: number): number {
    for (let at = from; at < bytes.length; at += 1) {
      const byte = bytes[at];
      if (escaped) escaped = false;
      else if (byte === BACKSLASH) escaped = true;
      else if (byte === QUOTE) return at;
    }
    return bytes.length;
  }

  return {
    push(piece, onItem) {
      scan(Buffer.from(piece.buffer, piece.byteOffset, piece.length), onItem);
    },
    end() {
      if (!done || inItems) throw garbage('The list ends before its end');
      try {
        return JSON.parse(frame.take(NOTHING, 0, 0));
      } catch {
        throw garbage('The list is not JSON');
      }
    },
  };
}

/** Bytes that are one text in the end, of at most `limit`. */
function createText(limit: number) {
  let parts: Buffer[] = [];
  let size = 0;

  function grow(by: number) {
    size += by;
    if (size <= limit) return;
    throw new ApiError(`An item of the list is longer than ${limit} bytes`, {
      status: 0,
      reason: 'TooLarge',
    });
  }

  return {
    add(bytes: Buffer, start: number, end: number) {
      if (end <= start) return;
      grow(end - start);
      // A copy: pieces are as large as they like, and this may be the rest of one.
      parts.push(Buffer.from(bytes.subarray(start, end)));
    },
    /** Whether it ends with `"items":[`. */
    endsWithItems: () => /"items"\s*:\s*\[$/.test(Buffer.concat(parts).toString()),
    /** All of it, with what ends it; most texts lie in one piece, and are copied nowhere. */
    take(bytes: Buffer, start: number, end: number): string {
      grow(end - start);
      const isWhole = parts.length === 0;
      const text = isWhole
        ? bytes.toString('utf8', start, end)
        : Buffer.concat([...parts, bytes.subarray(start, end)]).toString();
      parts = [];
      size = 0;
      return text;
    },
  };
}
