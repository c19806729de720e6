import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { generateKeyPairSync } from 'node:crypto';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { createPool, createEventStore, readHead, readSeal, runSealer } from '@kontor/event-store';
import { logSigner } from '@kontor/transparency-log';
import type pg from 'pg';
import { flushMicros, machineFacts, postgresFacts } from './machine.js';
import { findPgbench, type PgbenchResult, runPgbench } from './pgbench.js';
import { type BenchReport, median, quantile, ratioRow, valueRow } from './report.js';
import { type BenchServer, startBenchServer } from './server.js';
import { appendFor, checkLog, DATA, EVENT_TYPE, type Measured, META, ORIGIN, recycleLog, uuidv7 } from './workload.js';

// Many short turns instead of a few long ones: a neighbour on the machine then disturbs both sides of a ratio alike.
const ROUNDS = 7;
const SECONDS = 2;
const WARM_UP_SECONDS = 2;
const IN_FLIGHT = 32;
const WIDE_IN_FLIGHT = 256;
const ROWS_PER_STATEMENT = 100;
/** More rows on their way than the 256 that they stand beside, and enough to fill two cores. */
const STATEMENTS_IN_FLIGHT = 4;
const WRITERS = [2, 4] as const;
const SEAL_POLL_MS = 20;

// Bars of the event store's design, section 18.3.
const NARROW_BAR = 0.8;
const WIDE_BAR = 0.35;
const WIDE_P99_BAR_MS = 30;
const SEALING_BAR = 0.97;

const INSERT = `INSERT INTO bench_row (data, meta) VALUES ('${JSON.stringify(DATA)}', '${JSON.stringify(META)}')`;

/** The columns of es.event, and its key; no other index, no check, no stream, no command. */
const UNNEST_TABLE = `
  CREATE TABLE bench_event (
    pos bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid NOT NULL, stream_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL, type text NOT NULL, schema_ver smallint NOT NULL, workspace text NOT NULL, actor text NOT NULL,
    command_id uuid NOT NULL, correlation_id uuid, causation_id uuid, occurred_at timestamptz, recorded_at timestamptz NOT NULL,
    data json NOT NULL, meta json NOT NULL, leaf bytea NOT NULL)`;

const unnestInsert = (): string => {
  const rows = Array.from({ length: ROWS_PER_STATEMENT }, () => uuidv7());
  const array = (of: (id: string, index: number) => string): string => `ARRAY[${rows.map(of).join(',')}]`;
  return `
    INSERT INTO bench_event (event_id, stream_id, version, type, schema_ver, workspace, actor, command_id, correlation_id,
                             causation_id, occurred_at, recorded_at, data, meta, leaf)
    SELECT id, stream, version, type, schema_ver, workspace, actor, command, correlation, NULL, NULL, clock_timestamp(), data::json, meta::json, leaf
    FROM unnest(${array((id) => `'${id}'`)}::uuid[], ${array((id) => `'default/registry/run/${id}'`)}, ${array((_, n) => `${n}`)}::bigint[],
      ${array(() => `'${EVENT_TYPE}'`)}, ${array(() => '1')}::smallint[], ${array(() => `'default'`)}, ${array(() => `'bench'`)},
      ${array((id) => `'${id}'`)}::uuid[], ${array(() => `'${META.correlationId}'`)}::uuid[],
      ${array(() => `'${JSON.stringify(DATA)}'`)}, ${array(() => `'${JSON.stringify(META)}'`)}, ${array(() => `'\\x${'ab'.repeat(32)}'`)}::bytea[])
      AS u(id, stream, version, type, schema_ver, workspace, actor, command, correlation, data, meta, leaf)`;
};

/** Rows per second of one INSERT by many clients: pgbench, or where there is none a process of Node. */
const insertFor = async (
  pgbench: string | undefined,
  server: BenchServer,
  { sql, clients, seconds }: { sql: string; clients: number; seconds: number },
): Promise<PgbenchResult> => {
  const { adminUrl: url, directory } = server;
  if (pgbench !== undefined) {
    return await runPgbench({ pgbench, url, directory, sql: `${sql.replaceAll('\n', ' ')};\n`, clients, seconds });
  }
  const program = fileURLToPath(new URL('./insert-loop.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, url, sql, String(clients), String(seconds)]);
  return JSON.parse(stdout) as PgbenchResult;
};

/** Several processes share the head row. @returns their events together */
const appendByProcesses = async (url: string, writers: number): Promise<Measured> => {
  const program = fileURLToPath(new URL('./append-loop.js', import.meta.url));
  const args = [url, String(WIDE_IN_FLIGHT / writers), String(SECONDS)];
  const children = Array.from({ length: writers }, () => fork(program, args));
  // All are connected before one begins.
  await Promise.all(children.map((child) => once(child, 'message')));
  const results = await Promise.all(
    children.map(async (child) => {
      child.send('go');
      const [result] = (await once(child, 'message')) as [Measured];
      return result;
    }),
  );
  return {
    events: results.reduce((sum, { events }) => sum + events, 0),
    perSecond: results.reduce((sum, { perSecond }) => sum + perSecond, 0),
    latenciesMs: results.flatMap(({ latenciesMs }) => latenciesMs),
  };
};

/** Runs `body` while a sealer works that has nothing to catch up with. */
const whileSealing = async <T>(admin: pg.Pool, pool: pg.Pool, body: () => Promise<T>): Promise<T> => {
  const stop = new AbortController();
  const running = runSealer({ pool, signers: [signer], signal: stop.signal });
  const head = Number(await readHead(admin));
  while (((await readSeal(admin))?.size ?? 0) < head) await new Promise((resolve) => setTimeout(resolve, SEAL_POLL_MS));
  const result = await body();
  stop.abort();
  await running;
  return result;
};
const signer = logSigner(ORIGIN, generateKeyPairSync('ed25519').privateKey);

/**
 * Appends beside what PostgreSQL does with the same bytes and no guarantee: single rows by 32 clients, and 100 rows per
 * statement; by several processes; and with the sealer beside them. All in turns.
 */
export const appendBench = async (): Promise<BenchReport> => {
  const server = await startBenchServer();
  const admin = createPool({ connectionString: server.adminUrl, max: 2 });
  const url = server.urlFor('kontor_registry');
  const writer = createPool({ connectionString: url, max: 4 });
  const store = createEventStore(writer, { upcasters: {} });
  try {
    await admin.query(
      `CREATE TABLE bench_row (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data json NOT NULL, meta json NOT NULL);
       ${UNNEST_TABLE}`,
    );
    await recycleLog(admin);
    const pgbench = findPgbench();
    const machine = machineFacts();
    const single = { sql: INSERT, clients: IN_FLIGHT, seconds: SECONDS };
    const many = { sql: unnestInsert(), clients: STATEMENTS_IN_FLIGHT, seconds: SECONDS };
    let appended = (await appendFor(store, IN_FLIGHT, WARM_UP_SECONDS)).events;
    await insertFor(pgbench, server, single);

    const narrow: Measured[] = [];
    const wide: Measured[] = [];
    const rows: PgbenchResult[] = [];
    const statements: PgbenchResult[] = [];
    const shared: Measured[][] = WRITERS.map(() => []);
    const sealed: Measured[] = [];
    const unsealed: Measured[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      narrow.push(await appendFor(store, IN_FLIGHT, SECONDS));
      rows.push(await insertFor(pgbench, server, single));
      wide.push(await appendFor(store, WIDE_IN_FLIGHT, SECONDS));
      statements.push(await insertFor(pgbench, server, many));
      for (const [index, writers] of WRITERS.entries()) shared[index]?.push(await appendByProcesses(url, writers));
      const seal = async () => {
        sealed.push(await whileSealing(admin, writer, () => appendFor(store, WIDE_IN_FLIGHT, SECONDS)));
      };
      // Who goes first changes, so that neither always follows the sealer's catching up.
      if (round % 2 === 0) await seal();
      unsealed.push(await appendFor(store, WIDE_IN_FLIGHT, SECONDS));
      if (round % 2 === 1) await seal();
    }
    appended += [narrow, wide, ...shared, sealed, unsealed].flat().reduce((sum, { events }) => sum + events, 0);
    const seal = await readSeal(admin);

    const rates = (measured: readonly Measured[]): number[] => measured.map(({ perSecond }) => perSecond);
    const insertRates = rows.map(({ perSecond }) => perSecond);
    const rowRates = statements.map(({ perSecond }) => perSecond * ROWS_PER_STATEMENT);
    const latencies = (measured: readonly Measured[]): number[] => measured.flatMap(({ latenciesMs }) => latenciesMs);
    const unit = 'events/s';
    return {
      rows: [
        ratioRow(
          `append, ${IN_FLIGHT} in flight / single-row INSERT, ${IN_FLIGHT} clients`,
          unit,
          { ours: rates(narrow), beside: insertRates },
          NARROW_BAR,
        ),
        valueRow(`append, ${IN_FLIGHT} in flight, p50`, 'ms', quantile(latencies(narrow), 0.5)),
        valueRow(`append, ${IN_FLIGHT} in flight, p99`, 'ms', quantile(latencies(narrow), 0.99)),
        ratioRow(
          `append, ${WIDE_IN_FLIGHT} in flight / INSERT of ${ROWS_PER_STATEMENT} rows per statement`,
          unit,
          { ours: rates(wide), beside: rowRates },
          WIDE_BAR,
        ),
        ratioRow(`append, ${WIDE_IN_FLIGHT} in flight / single-row INSERT, ${IN_FLIGHT} clients`, unit, {
          ours: rates(wide),
          beside: insertRates,
        }),
        valueRow(`append, ${WIDE_IN_FLIGHT} in flight, p50`, 'ms', quantile(latencies(wide), 0.5)),
        valueRow(`append, ${WIDE_IN_FLIGHT} in flight, p99`, 'ms', quantile(latencies(wide), 0.99), WIDE_P99_BAR_MS),
        ...WRITERS.map((writers, index) =>
          ratioRow(`append by ${writers} processes, ${WIDE_IN_FLIGHT} in flight / by one`, unit, {
            ours: rates(shared[index] ?? []),
            beside: rates(wide),
          }),
        ),
        ratioRow(
          `append, ${WIDE_IN_FLIGHT} in flight, sealing on / off`,
          unit,
          { ours: rates(sealed), beside: rates(unsealed) },
          SEALING_BAR,
        ),
      ],
      notes: [
        `beside: ${pgbench === undefined ? 'a Node process (no pgbench found)' : `pgbench -M prepared (${pgbench})`}, ` +
          `single rows with an average latency of ${median(rows.map(({ latencyMsAverage }) => latencyMsAverage)).toFixed(2)} ms; ` +
          `${ROWS_PER_STATEMENT} rows by unnest from ${STATEMENTS_IN_FLIGHT} clients, columns of es.event, no index but the key`,
        `${ROUNDS} turns of ${SECONDS} s, first ratio ${narrow
          .map(({ perSecond }, round) => (perSecond / (insertRates[round] ?? NaN)).toFixed(2))
          .join(' ')}; data ${JSON.stringify(DATA).length} bytes, meta ${JSON.stringify(META).length} bytes`,
        `machine: ${machine}; one fdatasync of 8 kB ${flushMicros(server.directory).toFixed(0)} µs, as pg_test_fsync counts it`,
        `PostgreSQL: ${await postgresFacts(admin)}`,
      ],
      checks: [
        ...(await checkLog(admin, appended)),
        { what: 'the sealer signed while appends ran', holds: seal !== undefined && seal.size > 0 },
      ],
    };
  } finally {
    await store.close();
    await writer.end();
    await admin.end();
    await server.stop();
  }
};
