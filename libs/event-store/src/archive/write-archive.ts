import { readFileSync } from 'node:fs';
import { copyFile, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { formatEvent, toBase64 } from '@kontor/transparency-log';
import pg from 'pg';
import { RAW_COLUMNS, type RawRow, toRawEvent } from '../rows.js';
import {
  type EventsFile,
  FILE_EVENTS,
  FILE_STREAMS,
  type Manifest,
  readManifest,
  type StreamPositions,
  type StreamsFile,
  syncDirectory,
  writeLines,
  writeManifest,
} from './archive-directory.js';

/** Positions in one file of streams, about, so that a file of long streams stays small. */
const FILE_POSITIONS = 65_536;
const CURSOR_ROWS = 1_000;

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** The rows of a range, in a table of their own. */
export interface TableRange {
  /** A table in schema `es`. */
  readonly table: string;
  readonly firstPosition: number;
  readonly lastPosition: number;
}

/**
 * Writes the archive of a range into a directory that does not hold one yet. What a crash left behind is written anew, and a
 * directory of the name appears only when all of it is on the disk.
 *
 * @param root of the sealed leaves of the range.
 * @throws Error if the table has not all positions of the range
 */
export const writeArchive = (
  client: pg.ClientBase,
  range: TableRange,
  { directory, root, onProgress }: { directory: string; root: Uint8Array; onProgress: (position: number) => void },
): Promise<void> =>
  inNewDirectory(directory, async (draft) => {
    const { firstPosition, lastPosition } = range;
    const events: EventsFile[] = [];
    let firstRecordedAt = '';
    for (let after = firstPosition - 1; after < lastPosition;) {
      const page = await readTable(client, range, after);
      const [first, last] = [page.at(0), page.at(-1)];
      if (!first || !last || Number(last.position) !== after + page.length)
        throw new Error(`es.${range.table} lacks a position after ${after}: the log was changed`);
      firstRecordedAt ||= first.recordedAt;
      const name = `events-${String(events.length).padStart(6, '0')}.ndjson.zst`;
      const lines = page.map((event) => formatEvent(event));
      const sha256 = await writeLines(draft, name, lines);
      const position = Number(last.position);
      events.push({ name, sha256, firstPosition: after + 1, lastPosition: position, lastRecordedAt: last.recordedAt });
      after = position;
      onProgress(position);
    }
    await writeManifest(draft, {
      format: 'kontor/archive/1',
      tool: `kontor ${version}`,
      epochs: await readEpochs(client, lastPosition),
      firstPosition,
      lastPosition,
      firstRecordedAt,
      lastRecordedAt: events.at(-1)?.lastRecordedAt ?? '',
      root: toBase64(root),
      events,
      streams: await writeStreams(client, range, draft),
    });
  });

const readTable = async (client: pg.ClientBase, { table, lastPosition }: TableRange, after: number) => {
  const { rows } = await client.query<RawRow>(
    `SELECT ${RAW_COLUMNS} FROM es.${pg.escapeIdentifier(table)} WHERE pos > $1 AND pos <= $2 ORDER BY pos LIMIT ${FILE_EVENTS}`,
    [after, lastPosition],
  );
  return rows.map(toRawEvent);
};

const readEpochs = async (client: pg.ClientBase, lastPosition: number): Promise<Manifest['epochs']> => {
  const { rows } = await client.query<{ epoch: string; origin: string; first_pos: string }>(
    'SELECT epoch, origin, first_pos FROM es.log_epoch WHERE log_id = 0 AND first_pos <= $1 ORDER BY first_pos',
    [lastPosition],
  );
  return rows.map((row) => ({ epoch: Number(row.epoch), origin: row.origin, firstPosition: Number(row.first_pos) }));
};

const writeStreams = async (client: pg.ClientBase, range: TableRange, draft: string): Promise<StreamsFile[]> => {
  const files: StreamsFile[] = [];
  let waiting: StreamPositions[] = [];
  let positions = 0;
  const flush = async () => {
    const [first] = waiting;
    if (!first) return;
    const name = `streams-${String(files.length).padStart(6, '0')}.ndjson.zst`;
    const sha256 = await writeLines(
      draft,
      name,
      waiting.map((entry) => JSON.stringify(entry)),
    );
    files.push({ name, sha256, firstStream: first.stream });
    [waiting, positions] = [[], 0];
  };
  for await (const entry of streamsOf(client, range)) {
    waiting.push(entry);
    positions += entry.positions.length;
    if (waiting.length === FILE_STREAMS || positions >= FILE_POSITIONS) await flush();
  }
  await flush();
  return files;
};

async function* streamsOf(client: pg.ClientBase, range: TableRange): AsyncGenerator<StreamPositions, void> {
  await client.query('BEGIN');
  try {
    await client.query(
      `DECLARE streams NO SCROLL CURSOR FOR SELECT stream_id, array_agg(pos ORDER BY pos)::text[] AS positions
       FROM es.${pg.escapeIdentifier(range.table)} WHERE pos <= ${range.lastPosition} GROUP BY stream_id ORDER BY stream_id`,
    );
    for (;;) {
      const { rows } = await client.query<{ stream_id: string; positions: string[] }>(
        `FETCH ${CURSOR_ROWS} FROM streams`,
      );
      for (const row of rows) yield { stream: row.stream_id, positions: row.positions.map(Number) };
      if (rows.length < CURSOR_ROWS) return;
    }
  } finally {
    await client.query('ROLLBACK');
  }
}

/** Copies an archive, every file, into a directory that does not hold one yet. What it is worth, the read-back says. */
export const copyArchive = (from: string, directory: string): Promise<void> =>
  inNewDirectory(directory, async (draft) => {
    const found = await readManifest(from);
    if (!found) throw new Error(`${from} holds no archive`);
    const { manifest } = found;
    for (const { name } of [...manifest.events, ...manifest.streams, { name: 'manifest.json' }]) {
      await copyFile(join(from, name), join(draft, name));
      const copy = await open(join(draft, name));
      await copy.sync().finally(() => copy.close());
    }
  });

const inNewDirectory = async (directory: string, fill: (draft: string) => Promise<void>): Promise<void> => {
  const parent = dirname(directory);
  const draft = join(parent, `.${basename(directory)}.new`);
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  await fill(draft);
  await syncDirectory(draft);
  await rename(draft, directory);
  await syncDirectory(parent);
};
