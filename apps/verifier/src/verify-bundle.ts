import {
  type BundleEvent,
  type Checkpoint,
  equalHashes,
  eventLeaf,
  type Hash,
  hashesOf,
  openNote,
  parseBundleLine,
  parseCheckpoint,
  parseHeader,
  parseTlogProof,
  Refused,
  type Tile,
  TILE_WIDTH,
  tilePath,
  TileTree,
  type Verifier,
  verifyInclusion,
} from '@kontor/transparency-log';

/** Something that does not hold, and where. */
export interface Problem {
  /** A position, a stream, a checkpoint or a line. */
  readonly where: string;
  readonly what: string;
}

/** What a bundle was shown to be. */
export interface Verdict {
  /** Empty if all is well. Only the first ones are kept; `problemCount` has them all. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** Undefined if the bundle's own checkpoint cannot be believed. */
  readonly checkpoint: Checkpoint | undefined;
  readonly scope: 'log' | 'streams' | undefined;
  readonly events: number;
  readonly signedBy: readonly string[];
}

export interface VerifyOptions {
  /** Keys of the log. A bundle is believed only if one of them signed its checkpoint. */
  readonly logKeys: readonly Verifier[];
  /** Each of them must have co-signed. */
  readonly witnessKeys?: readonly Verifier[];
  /** Signed notes that were kept from earlier: the log must still begin with their trees. */
  readonly earlier?: readonly string[];
}

/** A person reads a few; the first is the one that matters. */
const MAX_PROBLEMS = 20;

class Problems {
  readonly kept: Problem[] = [];
  count = 0;

  add(where: string, what: string): void {
    this.count++;
    if (this.kept.length < MAX_PROBLEMS) this.kept.push({ where, what });
  }
}

/**
 * Checks a bundle, line by line, in memory that does not grow with it.
 *
 * Of the whole log it shows that every event from the first to the checkpoint is there, in order, and none was changed.
 * Of some streams it shows that each event is in the log and that no version is missing between them; that no later one
 * follows needs the whole log.
 */
export const verifyBundle = async (lines: AsyncIterable<string>, options: VerifyOptions): Promise<Verdict> => {
  const problems = new Problems();
  const earlier = openEarlier(options, problems);
  let audit: LogAudit | StreamsAudit | undefined;
  let signedBy: readonly string[] = [];
  let checkpoint: Checkpoint | undefined;
  let number = 0;
  for await (const line of lines) {
    number++;
    try {
      if (audit) {
        audit.add(parseBundleLine(line));
        continue;
      }
      const { scope, checkpoint: note } = parseHeader(line);
      const { text, signatures } = openNote(note, [...options.logKeys, ...(options.witnessKeys ?? [])]);
      signedBy = signatures.map(({ name }) => name);
      checkpoint = parseCheckpoint(text);
      refuseUnsigned(checkpoint, signedBy, options);
      audit =
        scope === 'log' ? new LogAudit(checkpoint, earlier, problems) : new StreamsAudit(checkpoint, note, problems);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problems.add(audit ? `line ${number}` : 'checkpoint', error.message);
      if (!audit) break;
    }
  }
  if (!audit && problems.count === 0) problems.add('line 1', 'the bundle is empty');
  audit?.end();
  return {
    problems: problems.kept,
    problemCount: problems.count,
    checkpoint: audit && checkpoint,
    scope: audit && (audit instanceof LogAudit ? 'log' : 'streams'),
    events: audit?.events ?? 0,
    signedBy,
  };
};

const refuseUnsigned = (
  { origin }: Checkpoint,
  signedBy: readonly string[],
  { logKeys, witnessKeys = [] }: VerifyOptions,
): void => {
  // A witness says that it saw the checkpoint, not that the log stands by it.
  if (!logKeys.some(({ name }) => name === origin && signedBy.includes(name))) {
    throw new Refused(`the checkpoint is of ${origin}, and no given key of that log has signed it`);
  }
  const missing = witnessKeys.filter(({ name }) => !signedBy.includes(name)).map(({ name }) => name);
  if (missing.length > 0) throw new Refused(`the checkpoint is not co-signed by ${missing.join(', ')}`);
};

const openEarlier = ({ earlier = [], logKeys }: VerifyOptions, problems: Problems): readonly Checkpoint[] =>
  earlier.flatMap((note) => {
    try {
      return [parseCheckpoint(openNote(note, logKeys).text)];
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problems.add('earlier checkpoint', error.message);
      return [];
    }
  });

/** The order that every log keeps: versions of a stream rise by one, and time does not fall. */
class Order {
  readonly #versions = new Map<string, number>();
  #recordedAt = '';

  constructor(private readonly problems: Problems) {}

  check({ position, streamId, version, recordedAt }: BundleEvent): void {
    const expected = (this.#versions.get(streamId) ?? 0) + 1;
    if (Number(version) !== expected) {
      this.problems.add(`position ${position}`, `${streamId} goes on with version ${version}, not ${expected}`);
    }
    this.#versions.set(streamId, Number(version));
    // Streams come one after another in a bundle of streams, so only the whole log has one time.
    if (recordedAt < this.#recordedAt) {
      this.problems.add(`position ${position}`, `recorded at ${recordedAt}, before the event that precedes it`);
    }
    this.#recordedAt = recordedAt;
  }

  startStream(): void {
    this.#recordedAt = '';
  }
}

/** Every event of a log, held against the sealed leaf hashes, and those against the signed root. */
class LogAudit {
  readonly #tree = new TileTree();
  readonly #order: Order;
  #sealed: readonly Hash[] = [];
  #tileStart = 0;
  #position = 0;
  events = 0;

  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly earlier: readonly Checkpoint[],
    private readonly problems: Problems,
  ) {
    this.#order = new Order(problems);
  }

  add(line: ReturnType<typeof parseBundleLine>): void {
    if (line.kind === 'tile') this.#begin(line.path, hashesOf(line.content));
    else this.#event(line.event);
  }

  end(): void {
    const { size, root } = this.checkpoint;
    this.#missingUntil(this.#tree.size + 1);
    if (this.#tree.size !== size) {
      this.problems.add('checkpoint', `it covers ${size} events, the bundle has the hashes of ${this.#tree.size}`);
    } else if (!equalHashes(this.#tree.root(), root)) {
      this.problems.add('checkpoint', 'the hashes of the bundle are not those that were signed');
    }
    for (const one of this.earlier) {
      if (one.origin !== this.checkpoint.origin) this.problems.add('earlier checkpoint', `is of ${one.origin}`);
      else if (one.size > this.#tree.size) {
        const gone = `positions ${this.#tree.size + 1} to ${one.size} were signed earlier and are gone`;
        this.problems.add(`earlier checkpoint of ${one.size}`, gone);
      }
    }
  }

  #begin(path: string, hashes: readonly Hash[]): void {
    this.#missingUntil(this.#tree.size + 1);
    const index = Math.floor(this.#tree.size / TILE_WIDTH);
    const expected: Tile = { level: 0, index, width: hashes.length };
    if (path !== tilePath(expected) || this.#tree.size % TILE_WIDTH !== 0) {
      throw new Refused(`${path} is not the tile that comes next, ${tilePath(expected)}`);
    }
    this.#tileStart = this.#tree.size;
    this.#sealed = hashes;
    for (const hash of hashes) {
      this.#tree.append(hash);
      for (const one of this.earlier) {
        if (one.size === this.#tree.size && !equalHashes(one.root, this.#tree.root())) {
          this.problems.add(
            `earlier checkpoint of ${one.size}`,
            'the log does not begin with the tree that was signed then',
          );
        }
      }
    }
  }

  #event(event: BundleEvent): void {
    const position = Number(event.position);
    const { position: text } = event;
    this.events++;
    const sealed = this.#sealed[position - 1 - this.#tileStart];
    if (position <= this.#position || sealed === undefined) {
      this.problems.add(`position ${text}`, `comes after position ${this.#position}, out of its place`);
      return;
    }
    this.#missingUntil(position);
    this.#position = position;
    if (!equalHashes(sealed, eventLeaf(this.checkpoint.origin, event))) {
      this.problems.add(`position ${text}`, `${event.type} of ${event.streamId} is not the event that was sealed`);
    }
    this.#order.check(event);
  }

  /** Names the positions that are not there before this one. */
  #missingUntil(position: number): void {
    const [first, last] = [this.#position + 1, position - 1];
    if (first <= last) {
      this.problems.add(first === last ? `position ${first}` : `positions ${first} to ${last}`, 'missing');
      this.#position = last;
    }
  }
}

/** Events of some streams, each held against the signed root by a proof of its own. */
class StreamsAudit {
  readonly #order: Order;
  #stream = '';
  events = 0;

  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly note: string,
    private readonly problems: Problems,
  ) {
    this.#order = new Order(problems);
  }

  add(line: ReturnType<typeof parseBundleLine>): void {
    if (line.kind === 'tile') throw new Refused('a bundle of streams holds no tiles');
    const { event } = line;
    this.events++;
    if (event.streamId !== this.#stream) this.#order.startStream();
    this.#stream = event.streamId;
    this.#order.check(event);
    const { origin, size, root } = this.checkpoint;
    const proof = parseTlogProof(event.proof ?? '');
    const claim = { leaf: eventLeaf(origin, event), index: Number(event.position) - 1, size, root };
    if (proof.checkpoint !== this.note || proof.index !== claim.index || !verifyInclusion(claim, proof.hashes)) {
      this.problems.add(
        `position ${event.position}`,
        `${event.type} of ${event.streamId} is not the event that was sealed`,
      );
    }
  }

  end(): void {
    if (this.events === 0) this.problems.add('bundle', 'no event');
  }
}
