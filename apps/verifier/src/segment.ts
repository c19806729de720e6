import {
  type BundleEvent,
  type BundleLine,
  type Epoch,
  epochAt,
  HASH_BYTES,
  isLeafOf,
  parseBundleLine,
  parseTilePath,
  Refused,
  TILE_WIDTH,
  tilePath,
  tileRoot,
} from '@kontor/transparency-log';
import { Order, type OrderPart } from './order.js';
import { positions, Problems } from './problems.js';

/** What one run of tiles and their events was found to be; plain data, so that another thread can send it. */
export interface SegmentResult {
  readonly problems: Pick<Problems, 'kept' | 'count'>;
  readonly lines: number;
  readonly events: number;
  /** Of the first tile; undefined without any. */
  readonly firstTile: number | undefined;
  /** Roots of the full tiles, one after another. */
  readonly roots: Uint8Array;
  /** Hashes of the last tile if it is not full. */
  readonly rest: Uint8Array;
  /** For each size that was asked for and lies inside a tile: the hashes of that tile up to it. */
  readonly cuts: ReadonlyMap<number, Uint8Array>;
  readonly order: OrderPart;
}

export interface SegmentOptions {
  readonly epochs: readonly Epoch[];
  /** Sizes of checkpoints that the log must begin with. */
  readonly sizes: readonly number[];
}

/** Holds the events of neighbouring tiles against their leaf hashes. What is above the tiles is not looked at. */
export class Segment {
  readonly #problems = new Problems();
  readonly #order = new Order(this.#problems);
  readonly #roots: Uint8Array[] = [];
  readonly #cuts = new Map<number, Uint8Array>();
  readonly #epochs: readonly Epoch[];
  readonly #sizes: readonly number[];
  #tile: Buffer = Buffer.alloc(0);
  #firstTile: number | undefined;
  /** Leaves before the tile that is read. */
  #start = 0;
  #position = 0;
  #events = 0;
  #lines = 0;
  #origin = '';
  #originUntil = 0;

  /** @param range first and last position that are to be there; default: all of the tiles */
  constructor(
    { epochs, sizes }: SegmentOptions,
    private readonly range?: readonly [number, number],
  ) {
    this.#epochs = epochs;
    this.#sizes = sizes;
    if (range) this.#position = range[0] - 1;
  }

  /** @param text a line of a bundle after the header */
  add(text: string): void {
    this.#lines++;
    try {
      this.take(parseBundleLine(text));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#problems.add(`line ${this.#lines}`, error.message);
    }
  }

  /** @throws Refused for a tile that is not the next */
  take(line: BundleLine): void {
    if (line.kind === 'event') this.#event(line.event);
    else this.#begin(line);
  }

  end(): SegmentResult {
    this.#close();
    const isFull = this.#tile.length === TILE_WIDTH * HASH_BYTES;
    if (isFull) this.#roots.push(tileRoot(this.#tile));
    return {
      problems: { kept: this.#problems.kept, count: this.#problems.count },
      lines: this.#lines,
      events: this.#events,
      firstTile: this.#firstTile,
      roots: Buffer.concat(this.#roots),
      rest: isFull ? new Uint8Array() : Uint8Array.from(this.#tile),
      cuts: this.#cuts,
      order: this.#order.toPart(),
    };
  }

  #begin({ path, content }: Extract<BundleLine, { kind: 'tile' }>): void {
    const index = this.#firstTile === undefined ? parseTilePath(path)?.index : this.#start / TILE_WIDTH + 1;
    const isFollowing = this.#firstTile === undefined || this.#tile.length === TILE_WIDTH * HASH_BYTES;
    const width = content.length / HASH_BYTES;
    if (index === undefined || !isFollowing || width > TILE_WIDTH || path !== tilePath({ level: 0, index, width })) {
      throw new Refused(`${path.slice(0, 100)} is not the tile that comes next`);
    }
    if (this.#firstTile === undefined) {
      this.#firstTile = index;
      if (!this.range) this.#position = index * TILE_WIDTH;
    } else {
      this.#close();
      this.#roots.push(tileRoot(this.#tile));
    }
    this.#tile = content;
    this.#start = index * TILE_WIDTH;
    for (const size of this.#sizes) {
      if (size > this.#start && size <= this.#start + width) {
        this.#cuts.set(size, Uint8Array.from(content.subarray(0, (size - this.#start) * HASH_BYTES)));
      }
    }
  }

  /** Names what is missing at the end of a tile. */
  #close(): void {
    const end = this.#start + this.#tile.length / HASH_BYTES;
    this.#missingUntil(Math.min(end, this.range?.[1] ?? end) + 1);
  }

  #event(event: BundleEvent): void {
    const position = Number(event.position);
    this.#events++;
    const place = position - 1 - this.#start;
    const last = this.range?.[1] ?? position;
    if (position <= this.#position || position > last || place < 0 || place * HASH_BYTES >= this.#tile.length) {
      const after = this.#position === 0 ? 'before every hash' : `after position ${this.#position}`;
      this.#problems.add(`position ${event.position}`, `comes ${after}, out of its place`);
      return;
    }
    this.#missingUntil(position);
    this.#position = position;
    if (!isLeafOf(this.#originOf(position), event, this.#tile, place)) {
      const leaf = this.#tile.toString('hex', place * HASH_BYTES, (place + 1) * HASH_BYTES);
      const what = `${event.type} of ${event.streamId} is not the event that was sealed`;
      this.#problems.add(`position ${event.position}`, what, { event, leaf });
    }
    this.#order.check(event);
  }

  #originOf(position: number): string {
    if (position >= this.#originUntil) {
      this.#origin = epochAt(this.#epochs, position)?.origin ?? '';
      this.#originUntil = this.#epochs.find(({ firstPosition }) => firstPosition > position)?.firstPosition ?? Infinity;
    }
    return this.#origin;
  }

  /** Names the positions that are not there before this one. */
  #missingUntil(position: number): void {
    const [first, last] = [this.#position + 1, position - 1];
    if (first > last) return;
    this.#problems.add(positions(first, last), 'missing');
    this.#position = last;
  }
}
