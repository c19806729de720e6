import { randomFillSync } from 'node:crypto';
import type { AppendRequest } from '@kontor/event-sourcing';
import { type PostgresEventStore, readRawPage } from '@kontor/event-store';
import { eventLeaf } from '@kontor/transparency-log';
import type pg from 'pg';
import type { BenchReport } from './report.js';

/** As in every leaf of a bench's log. */
export const ORIGIN = 'kontor.example/log/0';
/** The context owns this type, so that the check of it costs what it costs in a service. */
export const EVENT_TYPE = 'BenchMeasured';
export const EVENTS_PER_STREAM = 20;
const SAMPLED_LEAVES = 2_000;
/** One transaction of the generator. */
const CHUNK_EVENTS = 200_000;
/** More log than a turn of appends writes. */
const RECYCLED_MIB = 768;

/** 266 bytes of JSON, as an ordinary event has. No `:name` in it: pgbench would take that for a variable. */
export const DATA = { name: 'm'.repeat(40), source: `sha256-${'a'.repeat(64)}`, description: 'd'.repeat(115) };
export const META = { correlationId: '01975b00-0000-7000-8000-000000000002', actorKind: 'person' } as const;

// Chance in blocks: a call of the system per id would be a fifth of what the bench measures.
const chance = Buffer.alloc(8_000);
let used = chance.length;

export const uuidv7 = (): string => {
  if (used === chance.length) {
    randomFillSync(chance);
    used = 0;
  }
  const random = chance.toString('hex', used, (used += 10));
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-8${random.slice(4, 7)}-${random.slice(7, 19)}`;
};

/** One command with one event. */
export const request = (stream: string, version: number, data: unknown = DATA): AppendRequest => ({
  commandId: uuidv7(),
  requestHash: new Uint8Array(32),
  actor: 'bench',
  writes: [
    {
      stream,
      expected: BigInt(version),
      events: [{ eventId: uuidv7(), type: EVENT_TYPE, schemaVersion: 1, data, meta: META }],
    },
  ],
});

export interface Measured {
  readonly events: number;
  readonly perSecond: number;
  readonly latenciesMs: readonly number[];
}

/** Appends with `inFlight` callers, each waiting for its answer: one event per command, exact expected versions. */
export const appendFor = async (store: PostgresEventStore, inFlight: number, seconds: number): Promise<Measured> => {
  const latenciesMs: number[] = [];
  const started = performance.now();
  const end = started + seconds * 1000;
  const caller = async (): Promise<void> => {
    let stream = '';
    for (let version = 0; performance.now() < end; version = (version + 1) % EVENTS_PER_STREAM) {
      if (version === 0) stream = `default/registry/run/${uuidv7()}`;
      const sent = performance.now();
      const { outcome } = await store.append(request(stream, version));
      if (outcome !== 'appended') throw new Error(`an append answered ${outcome}`);
      latenciesMs.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const perSecond = latenciesMs.length / ((performance.now() - started) / 1000);
  return { events: latenciesMs.length, perSecond, latenciesMs };
};

// The leaf is written a third time here, after es.append and eventLeaf: checkLog compares a sample with the second.
const GENERATE = `
  WITH head AS (
    SELECT last_pos, date_trunc('milliseconds', greatest(clock_timestamp(), last_at)) AS at FROM es.log_head
  ), stream AS MATERIALIZED (
    SELECT i, 'default/registry/run/' || uuidv7() AS id FROM generate_series(0, $1::int / ${EVENTS_PER_STREAM} - 1) AS i
  ), e AS MATERIALIZED (
    SELECT head.last_pos + i * ${EVENTS_PER_STREAM} + v AS pos, uuidv7() AS id, stream.id AS stream, v, uuidv7() AS command, head.at,
           to_char(head.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS iso
    FROM head, stream, generate_series(1, ${EVENTS_PER_STREAM}) AS v
  ), s AS (
    INSERT INTO es.stream SELECT stream, 'default', max(v), min(pos), max(pos) FROM e GROUP BY stream
  ), c AS (
    INSERT INTO es.command SELECT command, '\\x00', pos, pos, ARRAY[v], at FROM e
  ), h AS (
    UPDATE es.log_head SET last_pos = last_pos + $1, last_at = (SELECT at FROM head)
  )
  INSERT INTO es.event
  SELECT pos, id, stream, v, '${EVENT_TYPE}', 1, 'default', 'bench', command, ($3::text::json ->> 'correlationId')::uuid, NULL, NULL, at, $2::text::json, $3::text::json,
         sha256('\\x00'::bytea || convert_to(concat_ws(E'\\n', 'kontor/event/1', '${ORIGIN}', pos, id, stream, v, '${EVENT_TYPE}@1', iso, 'default', 'bench', command,
           encode(sha256(convert_to($2, 'UTF8')), 'hex'), encode(sha256(convert_to($3, 'UTF8')), 'hex'), ''), 'UTF8'))
  FROM e`;

/**
 * Generates events by SQL, many times faster than appends: with the bytes, streams, commands and leaves that appends
 * would have left. A superuser may; nobody else.
 *
 * @param events a multiple of 200,000, or less than that and a multiple of 20
 */
export const generateLog = async (admin: pg.Pool, events: number): Promise<void> => {
  for (let left = events; left > 0; left -= CHUNK_EVENTS) {
    await admin.query('SELECT FROM es.prepare_partitions()');
    await admin.query(GENERATE, [Math.min(left, CHUNK_EVENTS), JSON.stringify(DATA), JSON.stringify(META)]);
  }
  await admin.query('VACUUM ANALYZE');
  await admin.query('CHECKPOINT');
};

/** Count, positions and a sample of leaves: what was fast must also be right. */
export const checkLog = async (admin: pg.Pool, appended: number): Promise<BenchReport['checks']> => {
  const { rows } = await admin.query<{ head: string; events: string; last: string; streams: boolean }>(
    `SELECT (SELECT last_pos FROM es.log_head) AS head, count(*) AS events, max(pos) AS last,
            (SELECT sum(version) FROM es.stream) = count(*) AS streams FROM es.event`,
  );
  const [row] = rows;
  const sample = await readRawPage(admin, {
    after: BigInt(Math.max(0, appended - SAMPLED_LEAVES)),
    limit: SAMPLED_LEAVES,
  });
  const wrong = sample.filter((event) => !Buffer.from(event.leaf).equals(eventLeaf(ORIGIN, event)));
  const expected = String(appended);
  return [
    { what: `${expected} acknowledged events are stored`, holds: row?.events === expected },
    { what: 'positions run to the head without a gap', holds: row?.head === expected && row.last === expected },
    { what: 'stream versions add up to the events', holds: row?.streams === true },
    { what: `${sample.length} leaves equal what Node computes`, holds: sample.length > 0 && wrong.length === 0 },
  ];
};

/**
 * Writes log and makes a checkpoint, so that the server has old segments to use again, as any server that has run for
 * a while. A fresh one fills each new segment with zeros and flushes them first, and that would be measured as well.
 */
export const recycleLog = async (admin: pg.Pool): Promise<void> => {
  for (let mib = 0; mib < RECYCLED_MIB; mib += 16) {
    await admin.query(`SELECT pg_logical_emit_message(false, 'bench', repeat('x', 16 * 1024 * 1024))`);
  }
  await admin.query('CHECKPOINT');
};
