import { EventStoreError } from '@kontor/event-sourcing';
import { fromBase64, type Hash, HASH_BYTES } from '@kontor/transparency-log';
import pg from 'pg';
import { listCheckpoints } from '../checkpoints.js';
import { instantSql } from '../rows.js';
import { archiveIn, type Manifest, readManifest } from './archive-directory.js';
import { holdsOn } from './legal-holds.js';
import { readBack, sealedRoot } from './read-back.js';
import { copyArchive, type TableRange, writeArchive } from './write-archive.js';

/** What a partition is not archived or dropped for. */
export type ArchiveRefusal =
  | 'UNKNOWN_PARTITION'
  | 'OUT_OF_ORDER'
  | 'NOT_SEALED'
  | 'TOO_YOUNG'
  | 'CONSUMERS_BEHIND'
  | 'NOT_ARCHIVED'
  | 'DIFFERS'
  | 'ON_HOLD'
  | 'BUSY';

/** SQLSTATE. */
const LOCK_NOT_AVAILABLE = '55P03';

/** A partition may not be archived, or not be dropped. Nothing was changed. */
export class ArchiveRefused extends EventStoreError {
  readonly retryable = false;
  constructor(
    readonly code: ArchiveRefusal,
    message: string,
  ) {
    super(message);
  }
}

/** A range of the log that is archived, as it is recorded. */
export interface LogArchive {
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly firstRecordedAt: string;
  readonly lastRecordedAt: string;
  /** In base64. */
  readonly root: string;
  /** `sha256:` and 64 hex digits. */
  readonly manifestDigest: string;
}

export interface ArchiveOptions {
  /** With the right to change the tables of schema es, and to read those of every consumer. */
  readonly pool: pg.Pool;
  /** The number of the partition: 0 is the oldest. */
  readonly partition: number;
  /** Absolute directories. Every process that reads the log needs them under the same path. */
  readonly places: readonly string[];
  /** How old the newest event of the partition must be, in milliseconds. */
  readonly hotWindowMs: number;
  /** Appends the fact to the log. Called again for one that is recorded. */
  readonly record: (archive: LogArchive) => Promise<void>;
  readonly onProgress?: (progress: ArchiveProgress) => void;
}

export interface ArchiveProgress {
  readonly step: 'write' | 'copy' | 'read back';
  readonly place: string;
  /** The last one that is done. */
  readonly position: number;
  readonly firstPosition: number;
  readonly lastPosition: number;
}

interface Recorded extends LogArchive {
  readonly places: readonly string[];
  readonly isDetached: boolean;
  readonly isDropped: boolean;
}

interface Partition extends TableRange {
  /** `detaching`: a crash came between the two steps of PostgreSQL. */
  readonly state: 'attached' | 'detaching' | 'detached' | 'dropped';
  readonly recorded: Recorded | undefined;
}

/**
 * Archives a partition: writes it to every place, reads all of it back and compares it with the sealed tree, records that,
 * and only then detaches it from the log. Its table stays until {@link dropArchived}.
 *
 * Running it again goes on where a crash ended it. For a partition that was archived before, it verifies these places, copies
 * the archive to those that lack it, and readers use them from then on: so an archive is checked, and moved.
 *
 * @throws ArchiveRefused if it is not sealed, too young, follows one that is not archived, or a consumer is not past it
 * @throws ArchiveDamaged that names file and position, if what was written is not what was sealed. Nothing is detached then
 */
export const archivePartition = (options: ArchiveOptions): Promise<LogArchive> =>
  alone(options.pool, async (client) => {
    const { places, record, onProgress = () => undefined } = options;
    const partition = await findPartition(client, options.partition);
    const { firstPosition, lastPosition, recorded } = partition;
    const root = recorded ? undefined : await refuseUnlessReady(client, partition, options);
    await fillPlaces(client, partition, root, places, onProgress);

    const archives = [];
    for (const place of places) {
      const directory = archiveIn(place, firstPosition, lastPosition);
      archives.push(
        await readBack(client, directory, (position) => {
          onProgress({ step: 'read back', place, position, firstPosition, lastPosition });
        }),
      );
    }
    const [first] = archives;
    const expected = recorded?.manifestDigest ?? first?.digest;
    const other = archives.findIndex(({ digest }) => digest !== expected);
    if (!first || expected === undefined || other >= 0)
      throw new ArchiveRefused(
        'DIFFERS',
        `the archive in ${places[other] ?? 'no place'} has the manifest ${archives[other]?.digest ?? ''}, not ${expected ?? ''}: move it away, and run this again`,
      );
    const archive = toLogArchive(first.manifest, expected);
    await saveArchive(client, partition, archive, places);
    await record(archive);
    await detach(client, partition);
    return archive;
  });

/** The numbers of the full partitions whose newest event is older than a moment, oldest first. @param time RFC 3339 */
export const partitionsBefore = async (pool: pg.Pool, time: string): Promise<readonly number[]> => {
  const found: number[] = [];
  for (const { number, table, lastPosition } of await attachedPartitions(pool)) {
    const { rowCount } = await pool.query(
      `SELECT FROM es.${pg.escapeIdentifier(table)} WHERE pos = $1 AND recorded_at < $2::timestamptz`,
      [lastPosition, time],
    );
    if (!rowCount) break;
    found.push(number);
  }
  return found;
};

/**
 * Drops the table of a partition that was archived and detached, after reading the archive back once more.
 *
 * @param record appends the fact to the log; called again for one that is recorded
 * @throws ArchiveRefused if it is not archived, or if a workspace on legal hold has events in it
 * @throws ArchiveDamaged or ArchiveMissing if a place no longer holds the archive. The table stays then
 */
export const dropArchived = ({
  pool,
  partition: number,
  record,
  onProgress = () => undefined,
}: Pick<ArchiveOptions, 'pool' | 'partition' | 'record' | 'onProgress'>): Promise<LogArchive> =>
  alone(pool, async (client) => {
    const { recorded, table, state, firstPosition, lastPosition } = await findPartition(client, number);
    if (!recorded || state === 'attached' || state === 'detaching')
      throw new ArchiveRefused('NOT_ARCHIVED', `partition ${number} is not archived and detached: archive it first`);
    if (state === 'detached') {
      await refuseOnHold(client, table);
      for (const place of recorded.places) {
        const { digest } = await readBack(client, archiveIn(place, firstPosition, lastPosition), (position) => {
          onProgress({ step: 'read back', place, position, firstPosition, lastPosition });
        });
        if (digest !== recorded.manifestDigest)
          throw new ArchiveRefused('DIFFERS', `${place} has the manifest ${digest}, not ${recorded.manifestDigest}`);
      }
      await client.query('BEGIN');
      try {
        // No hold is placed between the answer and the drop.
        await client.query('SELECT FROM es.log_head WHERE log_id = 0 FOR UPDATE');
        await refuseOnHold(client, table);
        await client.query(`DROP TABLE es.${pg.escapeIdentifier(table)}`);
        await client.query('UPDATE es.archive SET dropped_at = clock_timestamp() WHERE first_pos = $1', [
          firstPosition,
        ]);
        await client.query('COMMIT');
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      }
    }
    await record(recorded);
    return recorded;
  });

/** One at a time. The lock ends with the session, which may take a moment after a crash. */
const alone = async <T>(pool: pg.Pool, body: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
  const client = await pool.connect();
  try {
    await client.query(`SET lock_timeout = '5s'`);
    await client.query(`SELECT pg_advisory_lock(hashtext('kontor.archive'))`).catch((error: unknown) => {
      if (!(error instanceof pg.DatabaseError) || error.code !== LOCK_NOT_AVAILABLE) throw error;
      throw new ArchiveRefused('BUSY', 'somebody else is archiving this log now');
    });
    await client.query('RESET lock_timeout');
    return await body(client);
  } finally {
    client.release(true);
  }
};

const attachedPartitions = async (client: pg.Pool | pg.ClientBase) => {
  const { rows } = await client.query<{ table: string; from: string; to: string; pending: boolean }>(
    `SELECT c.relname AS table, i.inhdetachpending AS pending, b[1] AS from, b[2] AS to
     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
          regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''(\\d+)''\\) TO \\(''(\\d+)''\\)') AS b
     WHERE i.inhparent = 'es.event'::regclass ORDER BY b[1]::bigint`,
  );
  return rows.map(({ table, from, to, pending }) => ({
    number: Number(table.replace('event_p', '')),
    table,
    firstPosition: Number(from),
    lastPosition: Number(to) - 1,
    state: pending ? ('detaching' as const) : ('attached' as const),
  }));
};

/** @throws ArchiveRefused if there is no partition of this number */
const findPartition = async (client: pg.ClientBase, number: number): Promise<Partition> => {
  const table = `event_p${number}`;
  const { rows } = await client.query<{
    first_pos: string;
    last_pos: string;
    first_at: string;
    last_at: string;
    root: Buffer;
    manifest_digest: string;
    places: string[];
    is_detached: boolean;
    is_dropped: boolean;
  }>(
    `SELECT first_pos, last_pos, ${instantSql('first_at')} AS first_at, ${instantSql('last_at')} AS last_at, root, manifest_digest,
            places, detached_at IS NOT NULL AS is_detached, dropped_at IS NOT NULL AS is_dropped
     FROM es.archive WHERE partition = $1`,
    [table],
  );
  const [row] = rows;
  const recorded = row && {
    firstPosition: Number(row.first_pos),
    lastPosition: Number(row.last_pos),
    firstRecordedAt: row.first_at,
    lastRecordedAt: row.last_at,
    root: row.root.toString('base64'),
    manifestDigest: row.manifest_digest,
    places: row.places,
    isDetached: row.is_detached,
    isDropped: row.is_dropped,
  };
  const attached = (await attachedPartitions(client)).find((one) => one.table === table);
  if (attached) return { ...attached, recorded };
  if (!recorded) throw new ArchiveRefused('UNKNOWN_PARTITION', `the log has no partition ${number}`);
  const { firstPosition, lastPosition, isDropped } = recorded;
  return { table, firstPosition, lastPosition, state: isDropped ? 'dropped' : 'detached', recorded };
};

/** @returns the root over the sealed leaves of the partition */
const refuseUnlessReady = async (
  client: pg.ClientBase,
  { table, firstPosition, lastPosition }: Partition,
  { partition, hotWindowMs }: Pick<ArchiveOptions, 'partition' | 'hotWindowMs'>,
): Promise<Hash> => {
  const refuse = (code: ArchiveRefusal, why: string): never => {
    throw new ArchiveRefused(code, `partition ${partition}, positions ${firstPosition} to ${lastPosition}: ${why}`);
  };
  const { rows } = await client.query<{ archived: string; newest: string | null; is_old: boolean | null }>(
    `SELECT (SELECT coalesce(max(last_pos), 0) FROM es.archive) AS archived, ${instantSql('e.recorded_at')} AS newest,
            e.recorded_at <= clock_timestamp() - $2 * interval '1 ms' AS is_old
     FROM (SELECT) AS one LEFT JOIN es.${pg.escapeIdentifier(table)} e ON e.pos = $1`,
    [lastPosition, hotWindowMs],
  );
  const { archived, newest = null, is_old: isOld } = rows[0] ?? { archived: '0', is_old: null };
  if (Number(archived) !== firstPosition - 1)
    refuse('OUT_OF_ORDER', `archive the older ones first, from position ${Number(archived) + 1} on`);
  const root = await sealedRoot(client, { firstPosition, lastPosition });
  if (newest === null || !root) return refuse('NOT_SEALED', 'no checkpoint covers all of it yet');
  if (!isOld)
    refuse(
      'TOO_YOUNG',
      `its newest event is of ${newest}, within the last ${Math.round(hotWindowMs / 86_400_000)} days`,
    );
  const behind = await consumersBehind(client, lastPosition);
  if (behind.length > 0) refuse('CONSUMERS_BEHIND', `not yet read by ${behind.join(', ')}`);
  return root;
};

/** Consumers in every schema, and relays, that have not reached a position. */
const consumersBehind = async (client: pg.ClientBase, position: number): Promise<readonly string[]> => {
  const { rows: schemas } = await client.query<{ schema: string }>(
    `SELECT n.nspname AS schema FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relname = 'consumer' AND c.relkind = 'r' ORDER BY 1`,
  );
  const { rows: relays } = await client.query<{ name: string; position: string }>(
    `SELECT 'relay ' || name AS name, acked_pos AS position FROM es.relay ORDER BY 1`,
  );
  const readers = relays.map((one) => ({ ...one, position: BigInt(one.position) }));
  for (const { schema } of schemas)
    for (const one of await listCheckpoints(client, schema)) readers.push({ ...one, name: `${schema}.${one.name}` });
  return readers.filter((one) => one.position < position).map((one) => `${one.name} (at ${one.position})`);
};

/** Sees to it that each place has the archive: copied from one that has it, or else written from the table. */
const fillPlaces = async (
  client: pg.ClientBase,
  partition: Partition,
  sealed: Hash | undefined,
  places: readonly string[],
  onProgress: (progress: ArchiveProgress) => void,
): Promise<void> => {
  const { firstPosition, lastPosition, recorded, state } = partition;
  const directories = [...places, ...(recorded?.places ?? [])].map((place) => ({
    place,
    directory: archiveIn(place, firstPosition, lastPosition),
  }));
  let source: string | undefined;
  for (const { directory } of directories)
    if (source === undefined && (await readManifest(directory)) !== undefined) source = directory;
  for (const { place, directory } of directories.slice(0, places.length)) {
    if ((await readManifest(directory)) !== undefined) continue;
    const progress = (step: ArchiveProgress['step'], position: number): void => {
      onProgress({ step, place, position, firstPosition, lastPosition });
    };
    if (source === undefined) {
      if (state === 'dropped')
        throw new ArchiveRefused(
          'NOT_ARCHIVED',
          `the rows of positions ${firstPosition} to ${lastPosition} are dropped, and neither ${directories.map((one) => one.directory).join(' nor ')} holds their archive`,
        );
      const root = sealed ?? fromBase64(recorded?.root ?? '', HASH_BYTES);
      if (!root) throw new Error('es.archive holds a root of 32 bytes');
      await writeArchive(client, partition, {
        directory,
        root,
        onProgress: (position) => {
          progress('write', position);
        },
      });
    } else {
      await copyArchive(source, directory);
      progress('copy', lastPosition);
    }
    source ??= directory;
  }
};

const toLogArchive = (manifest: Manifest, manifestDigest: string): LogArchive => {
  const { firstPosition, lastPosition, firstRecordedAt, lastRecordedAt, root } = manifest;
  return { firstPosition, lastPosition, firstRecordedAt, lastRecordedAt, root, manifestDigest };
};

const saveArchive = async (
  client: pg.ClientBase,
  { table }: Partition,
  archive: LogArchive,
  places: readonly string[],
): Promise<void> => {
  await client.query(
    `INSERT INTO es.archive (first_pos, last_pos, partition, first_at, last_at, root, manifest_digest, places)
     VALUES ($1, $2, $3, $4, $5, decode($6, 'base64'), $7, $8) ON CONFLICT (first_pos) DO UPDATE SET places = EXCLUDED.places`,
    [
      archive.firstPosition,
      archive.lastPosition,
      table,
      archive.firstRecordedAt,
      archive.lastRecordedAt,
      archive.root,
      archive.manifestDigest,
      places,
    ],
  );
};

const detach = async (client: pg.ClientBase, { state, table, firstPosition }: Partition): Promise<void> => {
  const name = `es.${pg.escapeIdentifier(table)}`;
  // Without waiting for readers in the way of writers. In a crash between its two steps the first one stays.
  if (state === 'attached') await client.query(`ALTER TABLE es.event DETACH PARTITION ${name} CONCURRENTLY`);
  if (state === 'detaching') await client.query(`ALTER TABLE es.event DETACH PARTITION ${name} FINALIZE`);
  if (state === 'dropped') return;
  // The trigger against changes was that of es.event.
  await client.query(
    `CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE ON ${name} FOR EACH ROW EXECUTE FUNCTION es.refuse()`,
  );
  await client.query(
    'UPDATE es.archive SET detached_at = coalesce(detached_at, clock_timestamp()) WHERE first_pos = $1',
    [firstPosition],
  );
};

const refuseOnHold = async (client: pg.ClientBase, table: string): Promise<void> => {
  for (const { workspace, holdId } of await holdsOn(client)) {
    // By the index of streams: '0' follows '/'.
    const { rowCount } = await client.query(
      `SELECT FROM es.${pg.escapeIdentifier(table)} WHERE stream_id >= $1 AND stream_id < $2 LIMIT 1`,
      [`${workspace}/`, `${workspace}0`],
    );
    if (rowCount)
      throw new ArchiveRefused('ON_HOLD', `workspace ${workspace} is on legal hold ${holdId} and has events in it`);
  }
};
