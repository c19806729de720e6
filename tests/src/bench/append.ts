import { execFile } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { AppendRequest } from '@kontor/event-sourcing';
import { createEventStore, type PostgresEventStore, readRawPage } from '@kontor/event-store';
import { eventLeaf } from '@kontor/transparency-log';
import pg from 'pg';
import { flushMicros, machineFacts } from './machine.js';
import { findPgbench, type PgbenchResult, runPgbench } from './pgbench.js';
import { type BenchReport, median, quantile } from './report.js';
import { startBenchServer } from './server.js';

// Many short turns instead of a few long ones: a neighbour on the machine then disturbs both sides of a ratio alike.
const ROUNDS = 7;
const SECONDS = 3;
const WIDE_SECONDS = 1;
const WARM_UP_SECONDS = 2;
const IN_FLIGHT = 32;
const WIDE_IN_FLIGHT = 256;
/** 32 in flight beside a bare INSERT with 32 clients: 0.66 to 0.87 was measured, and the floor is just below. */
const RATIO_FLOOR = 0.65;
const EVENTS_PER_STREAM = 20;
const SAMPLED_LEAVES = 2_000;
/** More log than a run writes. */
const RECYCLED_MIB = 768;

/** 259 bytes of JSON, as an ordinary event has. No `:name` in it: pgbench would take that for a variable. */
const DATA = { name: 'm'.repeat(40), source: `sha256-${'a'.repeat(64)}`, description: 'd'.repeat(115) };
const META = { correlationId: '01975b00-0000-7000-8000-000000000002', actorKind: 'person' } as const;

// Chance in blocks: a call of the system per id would be a fifth of what the bench measures.
const chance = Buffer.alloc(8_000);
let used = chance.length;

const uuidv7 = (): string => {
  if (used === chance.length) {
    randomFillSync(chance);
    used = 0;
  }
  const random = chance.toString('hex', used, (used += 10));
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-8${random.slice(4, 7)}-${random.slice(7, 19)}`;
};

interface Measured {
  readonly events: number;
  readonly perSecond: number;
  readonly latenciesMs: readonly number[];
}

/** Appends with `inFlight` callers, each waiting for its answer: one event per command, exact expected versions. */
const appendFor = async (store: PostgresEventStore, inFlight: number, seconds: number): Promise<Measured> => {
  const latenciesMs: number[] = [];
  const started = performance.now();
  const end = started + seconds * 1000;
  const caller = async (): Promise<void> => {
    let stream = '';
    for (let version = 0; performance.now() < end; version = (version + 1) % EVENTS_PER_STREAM) {
      if (version === 0) stream = `default/registry/run/${uuidv7()}`;
      const events = [{ eventId: uuidv7(), type: 'BenchMeasured', schemaVersion: 1, data: DATA, meta: META }];
      const request: AppendRequest = {
        commandId: uuidv7(),
        requestHash: new Uint8Array(32),
        actor: 'bench',
        writes: [{ stream, expected: BigInt(version), events }],
      };
      const sent = performance.now();
      const { outcome } = await store.append(request);
      if (outcome !== 'appended') throw new Error(`an append answered ${outcome}`);
      latenciesMs.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const perSecond = latenciesMs.length / ((performance.now() - started) / 1000);
  return { events: latenciesMs.length, perSecond, latenciesMs };
};

const INSERT = `INSERT INTO bench_row (data, meta) VALUES ('${JSON.stringify(DATA)}', '${JSON.stringify(META)}')`;

const insertFor = async (
  pgbench: string | undefined,
  url: string,
  directory: string,
  seconds: number,
): Promise<PgbenchResult> => {
  if (pgbench !== undefined) {
    return await runPgbench({ pgbench, url, directory, sql: `${INSERT};\n`, clients: IN_FLIGHT, seconds });
  }
  const program = fileURLToPath(new URL('./insert-loop.js', import.meta.url));
  const args = [program, url, INSERT, String(IN_FLIGHT), String(seconds)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as PgbenchResult;
};

const ratiosOf = (ours: readonly Measured[], beside: readonly PgbenchResult[]): readonly number[] =>
  ours.map(({ perSecond }, round) => perSecond / (beside[round]?.perSecond ?? NaN));

const medianRatio = (ours: readonly Measured[], beside: readonly PgbenchResult[]): number =>
  median(ratiosOf(ours, beside));

/** Count, positions and a sample of leaves: what was fast must also be right. */
const check = async (admin: pg.Pool, appended: number): Promise<BenchReport['checks']> => {
  const { rows } = await admin.query<{ head: string; events: string; last: string; streams: boolean }>(
    `SELECT (SELECT last_pos FROM es.log_head) AS head, count(*) AS events, max(pos) AS last,
            (SELECT sum(version) FROM es.stream) = count(*) AS streams FROM es.event`,
  );
  const [row] = rows;
  const sample = await readRawPage(admin, {
    after: BigInt(Math.max(0, appended - SAMPLED_LEAVES)),
    limit: SAMPLED_LEAVES,
  });
  const wrong = sample.filter((event) => !Buffer.from(event.leaf).equals(eventLeaf('kontor.example/log/0', event)));
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
const recycleLog = async (admin: pg.Pool): Promise<void> => {
  for (let mib = 0; mib < RECYCLED_MIB; mib += 16) {
    await admin.query(`SELECT pg_logical_emit_message(false, 'bench', repeat('x', 16 * 1024 * 1024))`);
  }
  await admin.query('CHECKPOINT');
};

/** Appends of the store with 32 in flight, beside single-row INSERTs of the same bytes by 32 clients, in turns. */
export const appendScenario = async (): Promise<BenchReport> => {
  const server = await startBenchServer();
  const admin = new pg.Pool({ connectionString: server.adminUrl, max: 2 });
  const store = createEventStore({ connectionString: server.urlFor('kontor_registry') }, { upcasters: {} });
  try {
    await admin.query(
      'CREATE TABLE bench_row (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data json NOT NULL, meta json NOT NULL)',
    );
    await recycleLog(admin);
    const pgbench = findPgbench();
    const load = machineFacts();
    let appended = (await appendFor(store, IN_FLIGHT, WARM_UP_SECONDS)).events;
    await insertFor(pgbench, server.adminUrl, server.directory, WARM_UP_SECONDS);

    const ours: Measured[] = [];
    const beside: PgbenchResult[] = [];
    const wide: Measured[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(await appendFor(store, IN_FLIGHT, SECONDS));
      beside.push(await insertFor(pgbench, server.adminUrl, server.directory, SECONDS));
      wide.push(await appendFor(store, WIDE_IN_FLIGHT, WIDE_SECONDS));
    }
    appended += [...ours, ...wide].reduce((sum, { events }) => sum + events, 0);

    const checks = await check(admin, appended);
    const ratio = medianRatio(ours, beside);
    const latenciesMs = ours.flatMap((measured) => measured.latenciesMs);
    const wideLatenciesMs = wide.flatMap((measured) => measured.latenciesMs);
    const settings = await admin.query<{ text: string }>(
      `SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) AS text FROM pg_settings
       WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'server_version', 'shared_buffers')`,
    );
    const plain = { beside: null, ratio: null, bar: null, holds: true };
    return {
      rows: [
        {
          what: 'append, 32 in flight, one event per command',
          ours: median(ours.map(({ perSecond }) => perSecond)),
          beside: median(beside.map(({ perSecond }) => perSecond)),
          unit: 'events/s',
          ratio,
          bar: RATIO_FLOOR,
          holds: ratio >= RATIO_FLOOR,
        },
        { ...plain, what: 'append, 32 in flight, p50', ours: quantile(latenciesMs, 0.5), unit: 'ms' },
        { ...plain, what: 'append, 32 in flight, p99', ours: quantile(latenciesMs, 0.99), unit: 'ms' },
        {
          ...plain,
          what: `append, ${WIDE_IN_FLIGHT} in flight`,
          ours: median(wide.map(({ perSecond }) => perSecond)),
          beside: median(beside.map(({ perSecond }) => perSecond)),
          unit: 'events/s',
          ratio: medianRatio(wide, beside),
        },
        {
          ...plain,
          what: `append, ${WIDE_IN_FLIGHT} in flight, p99`,
          ours: quantile(wideLatenciesMs, 0.99),
          unit: 'ms',
        },
      ],
      notes: [
        `beside: ${pgbench === undefined ? 'a Node process (no pgbench found)' : `pgbench -M prepared (${pgbench})`}, ${IN_FLIGHT} clients, ` +
          `average latency ${median(beside.map(({ latencyMsAverage }) => latencyMsAverage)).toFixed(2)} ms`,
        `turns of ${SECONDS} s, ratios ${ratiosOf(ours, beside)
          .map((ratio) => ratio.toFixed(2))
          .join(' ')}, ` + `data ${JSON.stringify(DATA).length} bytes, meta ${JSON.stringify(META).length} bytes`,
        `machine: ${load}; one fdatasync ${flushMicros(server.directory).toFixed(0)} µs`,
        `PostgreSQL: ${settings.rows[0]?.text ?? ''}`,
      ],
      checks,
    };
  } finally {
    await store.close();
    await admin.end();
    await server.stop();
  }
};
