import { createHash } from 'node:crypto';
import { constants, open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { EventStoreError } from '@kontor/event-sourcing';

/*
 * An archive of a range of the log is a directory: `manifest.json`; the events as lines of a bundle, 4,096 a file; and per
 * stream its positions, ordered by the bytes of the stream id. Both are compressed with Zstandard (`zstdcat` reads them).
 */

/** Of one file: 16 tiles. A reader of one event reads one file, some hundred kilobytes. */
export const FILE_EVENTS = 4_096;
/** Streams in one file of positions, at most. */
export const FILE_STREAMS = 2_048;

const MANIFEST = 'manifest.json';

interface ArchiveFile {
  readonly name: string;
  /** Of the compressed bytes, in hex. */
  readonly sha256: string;
}

export interface EventsFile extends ArchiveFile {
  readonly firstPosition: number;
  readonly lastPosition: number;
  /** RFC 3339 in UTC with six digits, as every time in here. */
  readonly lastRecordedAt: string;
}

export interface StreamsFile extends ArchiveFile {
  readonly firstStream: string;
}

export interface Manifest {
  readonly format: 'kontor/archive/1';
  readonly tool: string;
  /** Which origin stands in the leaves from which position on; the first may begin before the range. */
  readonly epochs: readonly { readonly epoch: number; readonly origin: string; readonly firstPosition: number }[];
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly firstRecordedAt: string;
  readonly lastRecordedAt: string;
  /** Root over the leaves of the range, in base64. */
  readonly root: string;
  readonly events: readonly EventsFile[];
  readonly streams: readonly StreamsFile[];
}

/** A stream of the range, with the positions of its events in order. */
export interface StreamPositions {
  readonly stream: string;
  readonly positions: readonly number[];
}

/** An archived range of the log was asked for, and no place holds it. It may be mounted again. */
export class ArchiveMissing extends EventStoreError {
  readonly retryable = true;
  constructor(
    readonly firstPosition: number,
    readonly lastPosition: number,
    readonly expectedIn: readonly string[],
    options?: ErrorOptions,
  ) {
    super(
      `positions ${firstPosition} to ${lastPosition} are archived, and the archive is not there; ` +
        `expected: ${expectedIn.join(' or ')}`,
      options,
    );
  }
}

/** A file of an archive is not what was written and read back. Another place may hold a good one. */
export class ArchiveDamaged extends EventStoreError {
  readonly retryable = false;
  constructor(
    readonly file: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${file}: ${problem}`, options);
  }
}

/** The directory of a range below a place. */
export const archiveIn = (place: string, firstPosition: number, lastPosition: number): string =>
  join(place, `log-${firstPosition}-${lastPosition}`);

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** @returns undefined if there is no archive in the directory; @throws ArchiveDamaged if the file is no manifest */
export const readManifest = async (
  directory: string,
): Promise<{ readonly manifest: Manifest; readonly digest: string } | undefined> => {
  const path = join(directory, MANIFEST);
  const bytes = await readFile(path).catch((error: unknown) => {
    if (isAbsent(error)) return undefined;
    throw new ArchiveDamaged(path, 'cannot be read', { cause: error });
  });
  if (!bytes) return undefined;
  try {
    return { manifest: JSON.parse(bytes.toString()) as Manifest, digest: `sha256:${sha256(bytes)}` };
  } catch (error) {
    throw new ArchiveDamaged(path, 'is no JSON', { cause: error });
  }
};

/** Level 1 was smaller and eight times as fast as gzip on events of runs; the checksum is for who reads without a manifest. */
const ZSTD = { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1, [zlib.constants.ZSTD_c_checksumFlag]: 1 } };
const compress = promisify(zlib.zstdCompress);
const decompress = promisify<zlib.InputType, Buffer>(zlib.zstdDecompress);

/** Whether the file holds events or positions, for a message. */
const contentOf = (file: EventsFile | StreamsFile): string =>
  'firstPosition' in file
    ? `events ${file.firstPosition} to ${file.lastPosition}`
    : `positions of streams from ${file.firstStream}`;

/** The lines of a file. @throws ArchiveDamaged if it is not the one of the manifest, or is not there */
export const readLines = async (directory: string, file: EventsFile | StreamsFile): Promise<readonly string[]> => {
  const path = join(directory, file.name);
  const bytes = await readFile(path).catch((error: unknown) => {
    const problem = isAbsent(error) ? 'is missing' : 'cannot be read';
    throw new ArchiveDamaged(path, `${problem}, with ${contentOf(file)}`, { cause: error });
  });
  if (sha256(bytes) !== file.sha256)
    throw new ArchiveDamaged(path, `is not what the manifest says, with ${contentOf(file)}`);
  return (await decompress(bytes)).toString().trimEnd().split('\n');
};

/** Writes a new file and waits until it is on the disk. */
export const writeDurably = async (path: string, bytes: Uint8Array): Promise<void> => {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
};

/** Waits until the names in a directory are on the disk. */
export const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** Writes lines as a compressed file. @returns the SHA-256 of its bytes, in hex */
export const writeLines = async (directory: string, name: string, lines: readonly string[]): Promise<string> => {
  const bytes = await compress(Buffer.from(`${lines.join('\n')}\n`), ZSTD);
  await writeDurably(join(directory, name), bytes);
  return sha256(bytes);
};

/** The manifest comes last: a directory without one is not an archive. */
export const writeManifest = async (directory: string, manifest: Manifest): Promise<void> => {
  await writeDurably(join(directory, MANIFEST), Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`));
  await syncDirectory(directory);
  await syncDirectory(dirname(directory));
};

/** The origin in the leaf of a position. */
export const originAt = ({ epochs }: Pick<Manifest, 'epochs'>, position: number): string => {
  const epoch = epochs.findLast(({ firstPosition }) => firstPosition <= position);
  if (!epoch) throw new Error(`no epoch begins at or before position ${position}`);
  return epoch.origin;
};
