import {
  authenticTiles,
  type BundleEvent,
  type BundleHeader,
  type Checkpoint,
  type ContentOf,
  type Epoch,
  epochAt,
  eventLeaf,
  hashesOf,
  parseBundleLine,
  parseTilePath,
  parseTlogProof,
  proveConsistency,
  Refused,
  type Tile,
  TILE_WIDTH,
  tilePath,
  tileWidth,
  verifyConsistency,
  verifyInclusion,
} from '@kontor/transparency-log';
import type { Earlier } from './earlier.js';
import { Order } from './order.js';
import { positions, type Problems } from './problems.js';
import { Segment } from './segment.js';

/** A part of a log: the events of a range, held against tiles of the signed tree, or of streams, each with its proof. */
export class PartAudit {
  readonly #tiles = new Map<string, Buffer>();
  readonly #order: Order;
  readonly #segment: Segment | undefined;
  #stream = '';
  #lines = 1;
  events = 0;

  constructor(
    private readonly header: BundleHeader,
    private readonly checkpoint: Checkpoint,
    private readonly epochs: readonly Epoch[],
    private readonly problems: Problems,
  ) {
    this.#order = new Order(problems);
    if (header.scope === 'range') this.#segment = new Segment({ epochs, sizes: [] }, header.range);
  }

  get streams(): Order['streams'] {
    return this.#order.streams;
  }

  add(text: string): void {
    this.#lines++;
    try {
      const line = parseBundleLine(text);
      if (line.kind === 'tile') {
        const tile = parseTilePath(line.path);
        if (!tile) throw new Refused(`${line.path.slice(0, 100)} is no path of a tile`);
        this.#tiles.set(line.path, line.content);
        if (this.#isOfRange(tile)) this.#segment?.take(line);
        return;
      }
      this.events++;
      if (this.header.scope === 'checkpoint') throw new Refused('a bundle of a checkpoint holds no events');
      if (this.#segment) this.#segment.take(line);
      else this.#withProof(line.event);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.problems.add(`line ${this.#lines}`, error.message);
    }
  }

  end(): void {
    const { scope, range } = this.header;
    if (scope === 'streams') {
      this.#order.checkBeginnings();
      if (this.events === 0) this.problems.add('bundle', 'no event');
    }
    if (scope === 'range') this.#endRange(range);
  }

  /** The earlier checkpoints that the tiles of the bundle show the log to begin with; the others are problems. */
  consistentWith(earlier: readonly Earlier[]): readonly Earlier[] {
    const { size, root } = this.checkpoint;
    return earlier.filter(({ where, checkpoint: old }) => {
      if (old.size > size) {
        this.problems.add(where, `${positions(size + 1, old.size)} were signed earlier and are gone`);
        return false;
      }
      try {
        const proof = old.size === 0 ? [] : proveConsistency(old.size, size, this.#contentOf);
        if (verifyConsistency({ oldSize: old.size, oldRoot: old.root, size, root }, proof)) return true;
        this.problems.add(where, 'the log does not begin with the tree that was signed then');
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        this.problems.add(where, `whether the log begins with it is not shown: ${error.message}; export with --since`);
      }
      return false;
    });
  }

  #isOfRange({ level, index }: Tile): boolean {
    const [first, last] = this.header.range ?? [1, 0];
    return level === 0 && index * TILE_WIDTH < last && (index + 1) * TILE_WIDTH >= first;
  }

  #endRange(range: BundleHeader['range']): void {
    const { size } = this.checkpoint;
    const [first, last] = range ?? [0, 0];
    if (first < 1 || first > last || last > size) {
      this.problems.add('line 1', `a range lies between 1 and ${size}, this one is ${first} to ${last}`);
      return;
    }
    const result = this.#segment?.end();
    if (!result) return;
    this.problems.addAll(result.problems);
    this.#order.join(result.order, first);
    const authentic = authenticTiles(this.checkpoint, this.#contentOf);
    try {
      for (let index = Math.floor((first - 1) / TILE_WIDTH); index * TILE_WIDTH < last; index++) {
        authentic({ level: 0, index, width: tileWidth(0, index, size) });
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.problems.add('checkpoint', error.message);
    }
  }

  readonly #contentOf: ContentOf = (tile) => {
    const content = this.#tiles.get(tilePath(tile)) ?? this.#tiles.get(tilePath({ ...tile, width: TILE_WIDTH }));
    if (!content) throw new Refused(`the bundle lacks ${tilePath(tile)}`);
    if (hashesOf(content).length < tile.width) throw new Refused(`${tilePath(tile)} is too short`);
    return content;
  };

  #withProof(event: BundleEvent): void {
    if (event.streamId !== this.#stream) this.#order.startStream();
    this.#stream = event.streamId;
    this.#order.check(event);
    const { size, root } = this.checkpoint;
    const proof = parseTlogProof(event.proof ?? '');
    const index = Number(event.position) - 1;
    const leaf = eventLeaf(epochAt(this.epochs, index + 1)?.origin ?? '', event);
    const isSame = proof.checkpoint === this.header.checkpoint && proof.index === index;
    if (!isSame || !verifyInclusion({ leaf, index, size, root }, proof.hashes)) {
      const what = `${event.type} of ${event.streamId} is not the event that was sealed`;
      this.problems.add(`position ${event.position}`, what);
    }
  }
}
