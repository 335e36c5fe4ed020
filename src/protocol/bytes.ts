import { type Address, addressFromBytes, addressToWire } from '../domain/address.ts';
import { type Mac, macFromBytes, macToBytes } from '../domain/mac.ts';

/** What became of bytes from the wire: a value, or why they were not taken. */
export type Decoded<T, Reason extends string> =
  | { readonly value: T; readonly drop?: never }
  | { readonly value?: never; readonly drop: Reason };

/**
 * Reads numbers in network order, front to back. A decoder asks `remaining` before it reads; reading
 * past the end is its bug and throws `RangeError`. Never reads outside the array it was given.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  mac(): Mac {
    return macFromBytes(this.take(6));
  }

  ipv4(): Address {
    return addressFromBytes(this.take(4));
  }

  ipv6(): Address {
    return addressFromBytes(this.take(16));
  }

  /** The next `length` bytes, as a view and not a copy. */
  take(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  #advance(length: number): number {
    if (length < 0 || length > this.remaining)
      throw new RangeError(`Cannot read ${length} bytes: ${this.remaining} are left`);
    const start = this.#at;
    this.#at += length;
    return start;
  }
}

/** Writes numbers in network order into an array of the size stated; more throws `RangeError`. */
export class ByteWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(size: number) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  u8(value: number): this {
    this.#view.setUint8(this.#advance(1), value);
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#advance(2), value);
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#advance(4), value);
    return this;
  }

  mac(value: Mac): this {
    return this.bytes(macToBytes(value));
  }

  /** 4 or 16 bytes, by the address's family. */
  address(value: Address): this {
    return this.bytes(addressToWire(value));
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#advance(value.length));
    return this;
  }

  /** The array, which must be full by now. */
  done(): Uint8Array {
    if (this.#at !== this.#bytes.length)
      throw new RangeError(`Wrote ${this.#at} of ${this.#bytes.length} bytes`);
    return this.#bytes;
  }

  #advance(length: number): number {
    const start = this.#at;
    if (start + length > this.#bytes.length)
      throw new RangeError(`Cannot write ${length} bytes: ${this.#bytes.length - start} are left`);
    this.#at += length;
    return start;
  }
}
