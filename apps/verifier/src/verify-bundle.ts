import {
  type BundleHeader,
  type Checkpoint,
  cosignedAtS,
  type Epoch,
  hasSigned,
  type LogKey,
  openCheckpoint,
  parseHeader,
  Refused,
  type SignedCheckpoint,
  type Verifier,
} from '@kontor/transparency-log';
import { type Earlier, findTwoHistories, type KeptNote, openEarlier, openEpochs } from './earlier.js';
import { LogAudit } from './log-audit.js';
import type { StreamPart } from './order.js';
import { PartAudit } from './part-audit.js';
import { type Problem, Problems } from './problems.js';
import { Segment, type SegmentOptions, type SegmentResult } from './segment.js';

/** What a bundle was shown to be. */
export interface Verdict {
  /** Empty if all is well. Only the first ones are kept; `problemCount` has them all. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** Undefined if the bundle's own checkpoint cannot be believed; then nothing else was looked at. */
  readonly header: BundleHeader | undefined;
  readonly checkpoint: Checkpoint | undefined;
  readonly epochs: readonly Epoch[];
  readonly events: number;
  /** By id. */
  readonly streams: ReadonlyMap<string, StreamPart>;
  /** Earlier checkpoints that the log begins with. */
  readonly consistent: readonly Earlier[];
  readonly signedBy: readonly SignedBy[];
}

export interface SignedBy {
  readonly name: string;
  /** 8 hex digits. */
  readonly keyId: string;
  /** When a witness saw it; undefined for the log. */
  readonly cosignedAtS?: bigint;
}

export interface VerifyOptions {
  /** Keys of the log. A bundle is believed only if one that counts for its size has signed its checkpoint. */
  readonly logKeys: readonly LogKey[];
  /** Each of them must have co-signed. */
  readonly witnessKeys?: readonly Verifier[];
  /** Signed notes that were kept from earlier: the log must still begin with their trees. */
  readonly earlier?: readonly KeptNote[];
}

/** Where a bundle comes from. */
export interface BundleSource {
  /** The first line; undefined for an empty bundle. */
  header(): Promise<string | undefined>;
  /** The lines after it. */
  lines(): AsyncIterable<string>;
  /** What was found in them, of a whole log: a piece of it at a time, in order. Default: all in one piece. */
  segments?(options: SegmentOptions): AsyncIterable<SegmentResult>;
}

/**
 * Checks a bundle.
 *
 * - Of the whole log it shows that every event from the first to the checkpoint is there, in order, and none was changed.
 * - Of a range it shows the same from its first to its last position.
 * - Of some streams it shows that each event is in the log, unchanged, and that no version from 1 on is missing between
 *   them; that no later one follows needs the whole log.
 */
export const verifyBundle = async (source: BundleSource, options: VerifyOptions): Promise<Verdict> => {
  const problems = new Problems();
  const nothing = { events: 0, streams: new Map<string, StreamPart>(), consistent: [] };
  const verdict = (rest: Omit<Verdict, 'problems' | 'problemCount'>): Verdict => ({
    problems: problems.kept,
    problemCount: problems.count,
    ...rest,
  });
  const opened = await open(source, options, problems);
  if (!opened) return verdict({ header: undefined, checkpoint: undefined, epochs: [], signedBy: [], ...nothing });
  const { header, signed, epochs, links } = opened;
  const { checkpoint, signatures } = signed;
  const kept = openEarlier(options.earlier ?? [], options.logKeys, epochs, problems);
  const lies = new Problems();
  const earlier = [...links, ...findTwoHistories(checkpoint, kept, lies)].sort(
    (a, b) => a.checkpoint.size - b.checkpoint.size,
  );
  const found = { header, checkpoint, epochs, signedBy: signatures.map((one) => signedBy(one, options)) };

  if (header.scope === 'log') {
    const audit = new LogAudit(checkpoint, earlier, problems);
    const sizes = earlier.map((one) => one.checkpoint.size);
    for await (const segment of (source.segments ?? wholeIn(source))({ epochs, sizes })) audit.add(segment);
    audit.end();
    problems.addAll(lies);
    return verdict({ ...found, events: audit.events, streams: audit.streams, consistent: audit.consistent });
  }
  const audit = new PartAudit(header, checkpoint, epochs, problems);
  for await (const line of source.lines()) audit.add(line);
  audit.end();
  const consistent = audit.consistentWith(earlier);
  problems.addAll(lies);
  return verdict({ ...found, events: audit.events, streams: audit.streams, consistent });
};

const wholeIn = (source: BundleSource) =>
  async function* (options: SegmentOptions): AsyncIterable<SegmentResult> {
    const segment = new Segment(options);
    for await (const line of source.lines()) segment.add(line);
    yield segment.end();
  };

interface Opened {
  readonly header: BundleHeader;
  readonly signed: SignedCheckpoint;
  readonly epochs: readonly Epoch[];
  readonly links: readonly Earlier[];
}

const open = async (
  source: BundleSource,
  { logKeys, witnessKeys = [] }: VerifyOptions,
  problems: Problems,
): Promise<Opened | undefined> => {
  try {
    const line = await source.header();
    if (line === undefined) {
      problems.add('line 1', 'the bundle is empty');
      return undefined;
    }
    const header = parseHeader(line);
    const signed = openCheckpoint(header.checkpoint, logKeys, witnessKeys);
    const missing = witnessKeys.filter((key) => !hasSigned(signed, key)).map(({ name }) => name);
    if (missing.length > 0) throw new Refused(`it is not co-signed by ${missing.join(', ')}`);
    const { checkpoint } = signed;
    const epochs: readonly Epoch[] = header.epochs ?? [{ origin: checkpoint.origin, firstPosition: 1 }];
    return { header, signed, epochs, links: openEpochs(epochs, checkpoint, logKeys) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    problems.add('checkpoint', error.message);
    return undefined;
  }
};

const signedBy = (signature: SignedCheckpoint['signatures'][number], { witnessKeys = [] }: VerifyOptions): SignedBy => {
  const isWitness = witnessKeys.some((key) => hasSigned({ signatures: [signature] }, key));
  return {
    name: signature.name,
    keyId: signature.keyId.toString('hex'),
    ...(isWitness && { cosignedAtS: cosignedAtS(signature) }),
  };
};
