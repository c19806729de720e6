import {
  type Checkpoint,
  equalHashes,
  type Hash,
  hashesOf,
  TILE_WIDTH,
  tilePath,
  TileTree,
} from '@kontor/transparency-log';
import type { Earlier } from './earlier.js';
import { Order } from './order.js';
import type { Problems } from './problems.js';
import type { SegmentResult } from './segment.js';

/** Every event of a log: its segments, one after another, held against the signed root and earlier ones. */
export class LogAudit {
  readonly #tree = new TileTree();
  readonly #order: Order;
  readonly #earlierAt = new Map<number, Earlier[]>();
  /** The header is line 1. */
  #lines = 1;
  events = 0;
  /** Earlier checkpoints that the log begins with. */
  readonly consistent: Earlier[] = [];

  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly earlier: readonly Earlier[],
    private readonly problems: Problems,
  ) {
    this.#order = new Order(problems);
    for (const one of earlier) {
      this.#earlierAt.set(one.checkpoint.size, [...(this.#earlierAt.get(one.checkpoint.size) ?? []), one]);
    }
  }

  get streams(): Order['streams'] {
    return this.#order.streams;
  }

  /** Adds what follows. */
  add({ problems, lines, events, firstTile, roots, rest, cuts, order }: SegmentResult): void {
    const first = this.#tree.size;
    this.problems.addAll({
      count: problems.count,
      kept: problems.kept.map((problem) => {
        const [, line] = /^line (\d+)$/.exec(problem.where) ?? [];
        return line === undefined ? problem : { ...problem, where: `line ${this.#lines + Number(line)}` };
      }),
    });
    this.#lines += lines;
    this.events += events;
    this.#order.join(order, first + 1);
    if (firstTile === undefined) return;
    if (firstTile * TILE_WIDTH !== first) {
      const expected = tilePath({ level: 0, index: Math.ceil(first / TILE_WIDTH), width: TILE_WIDTH });
      const [found, at] = [tilePath({ level: 0, index: firstTile, width: TILE_WIDTH }), this.#lines - lines + 1];
      this.problems.add(`line ${at}`, `${found} is not the tile that comes next, ${expected}`);
      return;
    }
    for (const root of hashesOf(roots)) {
      this.#compareInside(cuts);
      this.#tree.appendTile(root);
      this.#compare(this.#tree.size, this.#tree.root.bind(this.#tree));
    }
    this.#compareInside(cuts);
    for (const leaf of hashesOf(rest)) this.#tree.append(leaf);
  }

  end(): void {
    const { size, root } = this.checkpoint;
    this.#order.checkBeginnings();
    if (this.#tree.size !== size) {
      this.problems.add('checkpoint', `it covers ${size} events, the bundle has the hashes of ${this.#tree.size}`);
    } else if (!equalHashes(this.#tree.root(), root)) {
      this.problems.add('checkpoint', 'the hashes of the bundle are not those that were signed');
    }
    for (const { checkpoint, where } of this.earlier) {
      if (checkpoint.size <= this.#tree.size) continue;
      const gone = `positions ${this.#tree.size + 1} to ${checkpoint.size} were signed earlier and are gone`;
      this.problems.add(where, gone);
    }
  }

  /** Sizes inside the tile that comes next; before it the tree ends between two tiles. */
  #compareInside(cuts: ReadonlyMap<number, Uint8Array>): void {
    for (const [size, hashes] of cuts) {
      const more = size - this.#tree.size;
      // A full tile is compared once it is appended, at its own size.
      if (more > 0 && more < TILE_WIDTH) this.#compare(size, () => this.#tree.root(hashesOf(hashes)));
    }
  }

  #compare(size: number, rootOf: () => Hash): void {
    const claims = this.#earlierAt.get(size);
    if (!claims) return;
    const root = rootOf();
    for (const one of claims) {
      if (equalHashes(one.checkpoint.root, root)) this.consistent.push(one);
      else this.problems.add(one.where, 'the log does not begin with the tree that was signed then');
    }
  }
}
