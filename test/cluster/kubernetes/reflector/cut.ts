/** The bytes of a text in pieces of these sizes, over and over. */
export function* cut(text: string, sizes: readonly number[]): Generator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    // A copy, as the pieces of a network have buffers of their own.
    yield Uint8Array.from(bytes.subarray(at, at + size));
    at += size;
  }
}
