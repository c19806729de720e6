import { type BundleEvent, eventLeaf } from '@kontor/transparency-log';
import type pg from 'pg';
import { type EventRow, instantSql, type RawRow } from '../rows.js';
import {
  ArchiveDamaged,
  archiveIn,
  ArchiveMissing,
  type EventsFile,
  type Manifest,
  originAt,
  readLines,
  readManifest,
  type StreamPositions,
  type StreamsFile,
} from './archive-directory.js';

/** Files kept open in memory, each some megabytes: as many as readers go on side by side. */
const MAX_FILES = 4;

/** An event of the archive, as it was written. */
export interface ColdEvent {
  readonly event: BundleEvent;
  /** The origin in its leaf. */
  readonly origin: string;
}

interface ArchiveRow {
  readonly first_pos: string;
  readonly last_pos: string;
  readonly first_at: string;
  readonly last_at: string;
  readonly manifest_digest: string;
  readonly places: readonly string[];
}

const ARCHIVE_COLUMNS = `a.first_pos, a.last_pos, ${instantSql('a.first_at')} AS first_at, ${instantSql('a.last_at')} AS last_at, a.manifest_digest, a.places`;

/** Manifests by directory, files by directory and digest: neither ever changes, but one place may have lost what another has. */
const manifests = new Map<string, { readonly manifest: Manifest; readonly digest: string }>();
const files = new Map<string, Promise<readonly string[]>>();
/** What was said of damaged files. */
const said = new Set<string>();

type Choose = (manifest: Manifest) => EventsFile | StreamsFile | undefined;

interface Lines {
  readonly manifest: Manifest;
  readonly lines: readonly string[];
}

/** @returns undefined if the directory holds no archive; @throws ArchiveDamaged if its manifest is not the one that was recorded */
const manifestIn = async (directory: string, digest: string): Promise<Manifest | undefined> => {
  const kept = manifests.get(directory);
  if (kept?.digest === digest) return kept.manifest;
  const found = await readManifest(directory);
  if (!found) return undefined;
  if (found.digest !== digest)
    throw new ArchiveDamaged(directory, `manifest.json is not the one that was recorded, ${digest}`);
  manifests.set(directory, found);
  return found.manifest;
};

/** The lines of a file, from memory if it was read lately. @returns undefined if the directory holds no archive */
const linesIn = async (directory: string, digest: string, choose: Choose): Promise<Lines | undefined> => {
  const isKept = manifests.has(directory);
  const manifest = await manifestIn(directory, digest);
  if (!manifest) return undefined;
  const file = choose(manifest);
  if (!file) return { manifest, lines: [] };
  const name = `${directory} ${file.sha256}`;
  const reading = files.get(name) ?? readLines(directory, file);
  files.delete(name);
  files.set(name, reading);
  const [oldest] = files.keys();
  if (files.size > MAX_FILES && oldest !== undefined) files.delete(oldest);
  try {
    return { manifest, lines: await reading };
  } catch (error) {
    files.delete(name);
    manifests.delete(directory);
    if (!isKept) throw error;
    // The directory may have gone since its manifest was read.
    return await linesIn(directory, digest, choose);
  }
};

/**
 * The lines of a file from the first place where it is what was archived. A damaged file of a place before is said once, as a
 * warning of the process.
 *
 * @throws ArchiveDamaged that names the first damaged file, if no place has a good one; ArchiveMissing if no place has the archive
 */
const linesOf = async (
  { first_pos, last_pos, manifest_digest, places }: ArchiveRow,
  choose: Choose,
): Promise<Lines> => {
  const directories = places.map((place) => archiveIn(place, Number(first_pos), Number(last_pos)));
  const damaged: ArchiveDamaged[] = [];
  for (const directory of directories) {
    try {
      const found = await linesIn(directory, manifest_digest, choose);
      if (!found) continue;
      for (const { message } of damaged.filter((problem) => !said.has(problem.message))) {
        said.add(message);
        process.emitWarning(`${message}; ${directory} is read instead: mend the archive`, { code: 'ARCHIVE_DAMAGED' });
      }
      return found;
    } catch (error) {
      if (!(error instanceof ArchiveDamaged)) throw error;
      damaged.push(error);
    }
  }
  throw damaged[0] ?? new ArchiveMissing(Number(first_pos), Number(last_pos), directories);
};

/** A sentence for each place of an archive that does not hold the manifest that was recorded. */
export const findDamagedManifests = async (pool: pg.Pool): Promise<readonly string[]> => {
  const { rows } = await pool.query<ArchiveRow>(`SELECT ${ARCHIVE_COLUMNS} FROM es.archive a ORDER BY a.first_pos`);
  const problems: string[] = [];
  for (const { first_pos, last_pos, manifest_digest, places } of rows)
    for (const place of places) {
      const directory = archiveIn(place, Number(first_pos), Number(last_pos));
      try {
        manifests.delete(directory);
        if (!(await manifestIn(directory, manifest_digest))) problems.push(`${directory} holds no archive`);
      } catch (error) {
        if (!(error instanceof ArchiveDamaged)) throw error;
        problems.push(error.message);
      }
    }
  return problems;
};

/** The file that begins at or before what is looked for; `files` are in order. */
const lastWhere = <T>(files: readonly T[], isBefore: (file: T) => boolean): T | undefined => {
  let [low, above] = [0, files.length];
  while (low < above) {
    const middle = Math.floor((low + above) / 2);
    const file = files[middle];
    if (file !== undefined && isBefore(file)) low = middle + 1;
    else above = middle;
  }
  return files[low - 1];
};

// The archive keeps lines that were checked when it was written, and its digests say that they are the same.
const parseLine = (line: string): BundleEvent => JSON.parse(line) as BundleEvent;

/** The lines of the file that holds a position, which is an archived one, from that position on. */
const linesFrom = async (archive: ArchiveRow, position: number) => {
  let first = position;
  const { manifest, lines } = await linesOf(archive, ({ events }) => {
    const file = lastWhere(events, ({ firstPosition }) => firstPosition <= position);
    first = file?.firstPosition ?? position;
    return file;
  });
  const [line, ...others] = lines.slice(position - first);
  if (line === undefined) throw new Error(`the archive of ${archive.manifest_digest} lacks position ${position}`);
  return { manifest, lines: [line, ...others] as const };
};

const eventAt = async (archive: ArchiveRow, position: number): Promise<ColdEvent> => {
  const { manifest, lines } = await linesFrom(archive, position);
  return { event: parseLine(lines[0]), origin: originAt(manifest, position) };
};

/** What a page asks for. */
export interface ColdRange {
  readonly after: bigint;
  readonly upTo?: bigint;
  readonly types?: readonly string[];
  readonly limit: number;
}

/** The newest archived position; 0 if nothing is archived. */
export const archivedThrough = async (pool: pg.Pool): Promise<bigint> => {
  const { rows } = await pool.query<{ through: string }>(
    'SELECT coalesce(max(last_pos), 0) AS through FROM es.archive',
  );
  return BigInt(rows[0]?.through ?? 0);
};

/**
 * Archived events above `after`, in order, and the newest archived position; undefined if all that is archived lies at or
 * below `after`.
 */
export const coldPage = async (
  pool: pg.Pool | pg.ClientBase,
  { after, upTo, types, limit }: ColdRange,
): Promise<{ readonly through: bigint; readonly events: readonly ColdEvent[] } | undefined> => {
  const { rows: archives } = await pool.query<ArchiveRow>({
    name: 'es_archives_after',
    text: `SELECT ${ARCHIVE_COLUMNS} FROM es.archive a WHERE a.last_pos > $1 ORDER BY a.first_pos`,
    values: [after],
  });
  const newest = archives.at(-1);
  if (!newest) return undefined;
  const through = BigInt(newest.last_pos);
  const end = upTo === undefined || upTo > through ? through : upTo;
  const wanted = types && new Set(types);
  const events: ColdEvent[] = [];
  for (const archive of archives) {
    const last = Math.min(Number(archive.last_pos), Number(end));
    for (let next = Math.max(Number(after) + 1, Number(archive.first_pos)); next <= last;) {
      const { manifest, lines } = await linesFrom(archive, next);
      for (const line of lines.slice(0, last - next + 1)) {
        const event = parseLine(line);
        if (!wanted || wanted.has(event.type)) events.push({ event, origin: originAt(manifest, next) });
        if (events.length === limit) return { through, events };
        next++;
      }
    }
  }
  return { through, events };
};

/**
 * A page of the log that may begin in the archive: `hot` is what the database gave for the range. It is asked first, because
 * a range is recorded as archived before its rows go.
 */
export const withArchived = async <Event extends { readonly position: bigint }>(
  pool: pg.Pool | pg.ClientBase,
  range: ColdRange,
  hot: readonly Event[],
  toEvent: (cold: ColdEvent) => Event,
): Promise<readonly Event[]> => {
  // Positions have no gap: what follows `after` immediately is not archived, or not yet, and neither is the rest.
  if (hot[0]?.position === range.after + 1n) return hot;
  const cold = await coldPage(pool, range);
  if (!cold) return hot;
  const newer = hot.filter(({ position }) => position > cold.through);
  return [...cold.events.map(toEvent), ...newer].slice(0, range.limit);
};

/**
 * The archived events of a stream with a version above `afterVersion`, in order, at most `limit`. To be called if the stream
 * has such events and the database does not give the first.
 */
export const coldStream = async (
  pool: pg.Pool | pg.ClientBase,
  stream: string,
  afterVersion: bigint,
  limit: number,
): Promise<readonly ColdEvent[]> => {
  const { rows: archives } = await pool.query<ArchiveRow>({
    name: 'es_archives_of_stream',
    text: `SELECT ${ARCHIVE_COLUMNS} FROM es.stream s JOIN es.archive a ON a.last_pos >= s.first_pos AND a.first_pos <= s.last_pos
           WHERE s.stream_id = $1 ORDER BY a.first_pos`,
    values: [stream],
  });
  const id = Buffer.from(stream);
  const events: ColdEvent[] = [];
  for (const archive of archives) {
    const { lines } = await linesOf(archive, ({ streams }) =>
      lastWhere(streams, ({ firstStream }) => Buffer.compare(Buffer.from(firstStream), id) <= 0),
    );
    const start = JSON.stringify({ stream }).slice(0, -1);
    const line = lines.find((one) => one.startsWith(`${start},`));
    if (line === undefined) continue;
    const { positions } = JSON.parse(line) as StreamPositions;
    // Versions have no gap, so the first one says where the wanted ones begin.
    const first = await eventAt(archive, positions[0] ?? 0);
    const known = Math.max(0, Number(afterVersion + 1n - BigInt(first.event.version)));
    for (const position of positions.slice(known)) {
      events.push(await eventAt(archive, position));
      if (events.length === limit) return events;
    }
  }
  return events;
};

/**
 * The last archived position that was recorded at or before a moment; 0 if all that is archived was recorded later, undefined
 * if nothing is archived.
 */
export const coldPositionAtTime = async (pool: pg.Pool, time: string): Promise<bigint | undefined> => {
  const { rows } = await pool.query<ArchiveRow & { moment: string; is_before: boolean }>(
    `SELECT ${ARCHIVE_COLUMNS}, ${instantSql('$1::timestamptz')} AS moment, a.first_at <= $1::timestamptz AS is_before
     FROM es.archive a ORDER BY a.first_pos`,
    [time],
  );
  if (rows.length === 0) return undefined;
  const archive = rows.findLast(({ is_before }) => is_before);
  if (!archive) return 0n;
  const { moment } = archive;
  // Times of one form, so their order is the order of the texts.
  if (archive.last_at <= moment) return BigInt(archive.last_pos);
  let before = Number(archive.first_pos) - 1;
  const { lines } = await linesOf(archive, ({ events }) => {
    const full = lastWhere(events, ({ lastRecordedAt }) => lastRecordedAt <= moment);
    before = full?.lastPosition ?? before;
    return lastWhere(events, ({ firstPosition }) => firstPosition <= before + 1);
  });
  const recorded = lines.map(parseLine).findLast(({ recordedAt }) => recordedAt <= moment);
  return recorded ? BigInt(recorded.position) : BigInt(before);
};

const commonRow = ({ event }: ColdEvent) => ({
  pos: event.position,
  event_id: event.eventId,
  stream_id: event.streamId,
  version: event.version,
  type: event.type,
  schema_ver: event.schemaVersion,
  workspace: event.workspace,
  actor: event.actor,
  command_id: event.commandId,
  recorded_at: event.recordedAt,
});

/** An archived event as a row of es.event. */
export const toEventRow = (cold: ColdEvent): EventRow => ({
  ...commonRow(cold),
  data: JSON.parse(cold.event.data) as unknown,
  meta: JSON.parse(cold.event.meta) as EventRow['meta'],
});

/** An archived event as a row of es.event with the stored text, its leaf computed anew. */
export const toRawRow = (cold: ColdEvent): RawRow => ({
  ...commonRow(cold),
  data: cold.event.data,
  meta: cold.event.meta,
  leaf: Buffer.from(eventLeaf(cold.origin, cold.event)),
});
