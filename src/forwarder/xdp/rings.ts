import type { Clock } from '../../domain/clock.ts';
import type { Backend, VirtualServer } from '../../domain/forwarding.ts';
import type { BpfMap, BpfObject } from '../../system/bpf.ts';
import type { DataplaneLayout, VipEntry } from './abi.ts';
import { endpointOf } from './identity.ts';
import { type RingChunks, type RingRegion, RingSpace, ringRoom } from './ring-space.ts';
import type { Schedulers } from './schedulers.ts';

const OTHER_SALT = 0x9e3779b9;

/** The rings of virtual servers: each a list of the backends that take new flows. */
export class Rings {
  readonly #space: RingSpace;
  readonly #schedulers: Schedulers;
  #writes = 0;

  constructor(object: BpfObject, layout: DataplaneLayout, schedulers: Schedulers, clock: Clock) {
    this.#space = new RingSpace(ringChunks(object, layout), clock);
    this.#schedulers = schedulers;
  }

  usage(): { readonly chunks: number; readonly words: number } {
    return this.#space.usage();
  }

  /** How many rings were written since the start. */
  get writes(): number {
    return this.#writes;
  }

  /**
   * Where the server's ring stands, `current` if that holds it already; `undefined` when it is
   * empty. `indices` are those of its backends. Throws with code `ENOSPC` when there is no room.
   */
  place(
    current: RingRegion | undefined,
    server: VirtualServer,
    indices: readonly number[],
  ): RingRegion | undefined {
    if (server.ring.length === 0) return undefined;
    const words = ringWords(server, indices);
    if (current && this.#space.holds(current, words)) return current;
    const region = this.#space.allocate(words.length);
    this.#space.write(region, words);
    this.#writes += 1;
    return region;
  }

  free(region: RingRegion): void {
    this.#space.free(region);
  }

  /** The ring of a VIP that an earlier process left; `broken` when it cannot be there. */
  adopt({ scheduler, ringChunk, ringOffset, ringSize }: VipEntry): RingRegion | 'none' | 'broken' {
    if (ringSize === 0) return 'none';
    const size = ringRoom(ringSize * this.#schedulers.wordsAPlace(scheduler));
    const region = { chunk: ringChunk, offset: ringOffset, size };
    return this.#space.adopt(region) ? region : 'broken';
  }
}

function ringChunks(object: BpfObject, layout: DataplaneLayout): RingChunks {
  const memoryOf = (map: BpfMap | undefined) => map && new Uint32Array(map.mapped());
  return {
    words: layout.constant('TG_RING_CHUNK_ENTRIES'),
    max: layout.constant('TG_RING_CHUNKS_MAX'),
    add: (index) => memoryOf(object.addRingChunk(index)) as Uint32Array,
    existing: (index) => memoryOf(object.ringChunk(index)),
  };
}

/** What a ring holds: backend indices, each followed by its endpoint where that is the salt. */
function ringWords({ choice, ring, backends }: VirtualServer, indices: readonly number[]) {
  if (choice === 'ring') return Uint32Array.from(ring, (entry) => indices[entry] as number);
  const words = new Uint32Array(ring.length * 2);
  const salts = new Set<number>();
  for (const [place, entry] of ring.entries()) {
    let salt = endpointOf((backends[entry] as Backend).address);
    // Two ports of one address: with the same salt one of them would never win.
    while (salts.has(salt)) salt = (salt + OTHER_SALT) >>> 0;
    salts.add(salt);
    words[2 * place] = indices[entry] as number;
    words[2 * place + 1] = salt;
  }
  return words;
}
