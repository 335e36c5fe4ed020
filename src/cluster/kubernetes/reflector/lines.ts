import { ApiError } from '../transport/api-error.ts';

/** Bytes of one line. etcd refuses objects of more than 1.5 MB, JSON may write them longer. */
export const MAX_LINE_BYTES = 8 * 1_048_576;
const NEWLINE = 0x0a;

/** Cuts a stream of bytes into lines. */
export interface LineSplitter {
  /**
   * The lines that this piece completes. Throws ApiError (`TooLarge`); `onLine` has been called for
   * all lines before.
   */
  push(piece: Uint8Array, onLine: (line: string) => void): void;
  /** Whether the stream ended within a line. */
  isInside(): boolean;
}

/** Lines are cut as bytes, so that no character is: a newline is never part of one in UTF-8. */
export function createLineSplitter(limit = MAX_LINE_BYTES): LineSplitter {
  let parts: Uint8Array[] = [];
  let size = 0;

  function keep(part: Uint8Array) {
    size += part.length;
    if (size > limit) {
      throw new ApiError(`A line of the answer is longer than ${limit} bytes`, {
        status: 0,
        reason: 'TooLarge',
      });
    }
    parts.push(part);
  }

  return {
    push(piece, onLine) {
      const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
      let start = 0;
      for (;;) {
        const end = bytes.indexOf(NEWLINE, start);
        if (end < 0) break;
        keep(bytes.subarray(start, end));
        start = end + 1;
        const line =
          parts.length === 1
            ? bytes.toString('utf8', start - 1 - size, start - 1)
            : Buffer.concat(parts).toString();
        parts = [];
        size = 0;
        if (line.trim() !== '') onLine(line);
      }
      // A copy: the rest of a small line must not hold a large piece.
      if (start < bytes.length) keep(Uint8Array.from(bytes.subarray(start)));
    },
    isInside: () => size > 0,
  };
}
