import { EventEmitter, once } from 'node:events';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Segment, type SegmentOptions, type SegmentResult } from './segment.js';
import type { BundleSource } from './verify-bundle.js';

/** Below this a second thread costs more than it saves: it starts in 30 ms. */
const MIN_PIECE_BYTES = 16 * 1024 * 1024;
/** Small enough that a thread which has slower lines does not keep the others waiting. */
const PIECES_PER_THREAD = 4;
const CHUNK_BYTES = 1024 * 1024;
/** Longer than any line of an export: an event has at most 256 KiB of data, each byte escaped. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;
const NEWLINE = 10;
/** A piece begins with a tile, so that each is read by itself. */
const BEFORE_TILE = '\n{"tile":"tile/0/';

/** A part of a file, in bytes. */
export interface Piece {
  readonly from: number;
  readonly to: number;
}

/** What a thread is told: the file and what to look for; the pieces come as messages. */
export interface SegmentTask {
  readonly path: string;
  readonly options: SegmentOptions;
}

/**
 * The lines of a part of a file.
 *
 * @throws RangeError for a line that is longer than any that is exported
 */
export function* linesOf(file: number, { from, to }: Piece): Generator<string, void> {
  let chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let [filled, at] = [0, from];
  while (at < to) {
    if (filled === chunk.length) {
      if (filled >= MAX_LINE_BYTES)
        throw new RangeError(`a line at byte ${at - filled} is longer than any of a bundle`);
      chunk = Buffer.concat([chunk, Buffer.allocUnsafe(chunk.length)]);
    }
    const read = readSync(file, chunk, filled, Math.min(chunk.length - filled, to - at), at);
    if (read === 0) break;
    at += read;
    filled += read;
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0 && end < filled; end = chunk.indexOf(NEWLINE, start)) {
      yield chunk.toString('utf8', start, end);
      start = end + 1;
    }
    chunk.copyWithin(0, start, filled);
    filled -= start;
  }
  if (filled > 0) yield chunk.toString('utf8', 0, filled);
}

/** Reads one piece of a bundle of a whole log. */
export const readSegment = (file: number, piece: Piece, options: SegmentOptions): SegmentResult => {
  const segment = new Segment(options);
  for (const line of linesOf(file, piece)) segment.add(line);
  return segment.end();
};

/** A bundle in a file. @param program reads pieces in a thread: main.ts; without it one thread reads all */
export const fileSource = (path: string, program?: URL): BundleSource & { close(): void } => {
  const file = openSync(path, 'r');
  const { size } = fstatSync(file);
  const headerEnd = (): number => {
    const [first] = linesOf(file, { from: 0, to: size });
    return first === undefined ? 0 : Math.min(Buffer.byteLength(first) + 1, size);
  };
  return {
    header: () => Promise.resolve(linesOf(file, { from: 0, to: size }).next().value ?? undefined),
    lines: async function* () {
      yield* linesOf(file, { from: headerEnd(), to: size });
    },
    segments: async function* (options) {
      const threads = program ? availableParallelism() : 1;
      const pieces = piecesOf(file, { from: headerEnd(), to: size }, threads);
      if (pieces.length < 2 || !program) {
        for (const piece of pieces) yield readSegment(file, piece, options);
      } else yield* inThreads(program, { path, options }, pieces, threads);
    },
    close: () => {
      closeSync(file);
    },
  };
};

const piecesOf = (file: number, { from, to }: Piece, threads: number): readonly Piece[] => {
  const bytes = Math.max(MIN_PIECE_BYTES, Math.ceil((to - from) / (threads * PIECES_PER_THREAD)));
  const pieces: Piece[] = [];
  for (let start = from; start < to;) {
    const end = start + bytes < to ? nextTile(file, start + bytes, to) : to;
    pieces.push({ from: start, to: end });
    start = end;
  }
  return pieces;
};

/** Where the next tile begins. */
const nextTile = (file: number, from: number, to: number): number => {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = from; at < to;) {
    const read = readSync(file, chunk, 0, CHUNK_BYTES, at);
    const found = chunk.subarray(0, read).indexOf(BEFORE_TILE);
    if (found >= 0) return Math.min(at + found + 1, to);
    if (read < CHUNK_BYTES) return to;
    at += read - BEFORE_TILE.length;
  }
  return to;
};

/** Each thread takes the next piece when it is done with one; results come in the order of the pieces. */
async function* inThreads(
  program: URL,
  task: SegmentTask,
  pieces: readonly Piece[],
  threads: number,
): AsyncGenerator<SegmentResult, void> {
  const done = new Map<Piece, SegmentResult>();
  const waiting = pieces.values();
  const ready = new EventEmitter();
  const workers = Array.from({ length: Math.min(threads, pieces.length) }, () => {
    const worker = new Worker(program, { workerData: task });
    const give = (): void => {
      const { value: piece } = waiting.next();
      if (!piece) return;
      worker.once('message', (result: SegmentResult) => {
        done.set(piece, result);
        give();
        ready.emit('piece');
      });
      worker.postMessage(piece);
    };
    worker.once('error', (error) => ready.emit('error', error));
    give();
    return worker;
  });
  try {
    for (const piece of pieces) {
      while (!done.has(piece)) await once(ready, 'piece');
      const result = done.get(piece);
      done.delete(piece);
      if (result) yield result;
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
