import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { uuidv7 } from '@kontor/testing';
import {
  copyEvents,
  createEventStore,
  createPool,
  ensureReadModels,
  type ReadModel,
  readHead,
  rebuildReadModel,
  runProjections,
  tailLog,
} from '@kontor/event-store';
import type { DomainEvent, Projection } from '@kontor/event-sourcing';
import type pg from 'pg';
import { machineFacts } from './machine.js';
import { type BenchReport, type BenchRow, median } from './report.js';
import { startBenchServer } from './server.js';
import { META, recycleLog } from './workload.js';

const ROUNDS = 3;
const EVENTS = 100_000;
const STREAMS = 10_000;
/** One event to each of as many streams: a key then changes rarely twice in a batch, which would flatter the fold. */
const STREAMS_PER_COMMAND = 50;
const IN_FLIGHT = 32;
const SCHEMA = 'gateway';
const REPLAY_FLOOR = 0.6;
const REBUILD_FLOOR = 0.5;
const LIVE_FLOOR = 0.2;

const COLUMNS =
  'pos, event_id, stream_id, version, type, schema_ver, workspace, actor, command_id, recorded_at, data, meta';

interface Measured {
  readonly name: string;
  readonly source: string;
  readonly description: string;
  readonly value: number;
}

/** 259 bytes of JSON, as an ordinary event has. */
const dataOf = (value: number): Measured => ({
  name: 'm'.repeat(40),
  source: `sha256-${'a'.repeat(64)}`,
  description: 'd'.repeat(103),
  value,
});

const projection: Projection<Measured & { readonly changedAt: string }, DomainEvent<'BenchMeasured', Measured>> = {
  name: 'measured',
  version: 1,
  canHandle: ['BenchMeasured'],
  keys: ({ streamId }) => [streamId],
  evolve: (_, { data, recordedAt }) => ({ ...data, changedAt: recordedAt }),
};

/** Every event changes a row, and every version of a row is kept: no read model has more to write per event. */
const readModel: ReadModel = {
  projection,
  columns: { name: 'text', value: 'integer', changedAt: 'timestamptz' },
  indexes: [['workspace', 'name', 'key']],
};

const appendAll = async (connectionString: string): Promise<void> => {
  const store = createEventStore({ connectionString }, { upcasters: {} });
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < EVENTS) {
      const first = next;
      next += STREAMS_PER_COMMAND;
      const { outcome } = await store.append({
        commandId: uuidv7(),
        requestHash: new Uint8Array(32),
        actor: 'bench',
        writes: Array.from({ length: STREAMS_PER_COMMAND }, (_, index) => ({
          stream: `default/registry/run/${(first + index) % STREAMS}`,
          expected: 'any',
          events: [
            { eventId: uuidv7(), type: 'BenchMeasured', schemaVersion: 1, data: dataOf(first + index), meta: META },
          ],
        })),
      });
      if (outcome !== 'appended') throw new Error(`an append answered ${outcome}`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  await store.close();
};

const perSecond = (startedMs: number, endedMs = performance.now()): number => EVENTS / ((endedMs - startedMs) / 1000);

/** The whole log into Node, decoded and parsed. */
const replay = async (pool: pg.Pool): Promise<{ readonly rate: number; readonly holds: boolean }> => {
  const startedMs = performance.now();
  let next = 1n;
  let sum = 0;
  for await (const batch of copyEvents(pool, { after: 0n }, {})) {
    for (const { position, data } of batch) {
      if (position === next) next += 1n;
      sum += (data as Measured).value;
    }
  }
  return { rate: perSecond(startedMs), holds: next === BigInt(EVENTS) + 1n && sum === (EVENTS * (EVENTS - 1)) / 2 };
};

/** The same columns as text to nowhere. */
const psqlCopy = async (url: string): Promise<number> => {
  const startedMs = performance.now();
  const child = spawn(
    'psql',
    ['-X', '-q', '-c', `COPY (SELECT ${COLUMNS} FROM es.event ORDER BY pos) TO STDOUT`, url],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`psql ended with ${code}`);
  return perSecond(startedMs);
};

/** Empty rows at position 0, then the runner over the live tail until it is level with the log. */
const live = async (pool: pg.Pool): Promise<number> => {
  await pool.query(`TRUNCATE ${SCHEMA}.measured_v1, ${SCHEMA}.measured_v1_past; UPDATE ${SCHEMA}.consumer SET pos = 0`);
  const head = await readHead(pool);
  const stop = new AbortController();
  const startedMs = performance.now();
  let endedMs = startedMs;
  await runProjections({
    pool,
    schema: SCHEMA,
    readModels: [readModel],
    signal: stop.signal,
    batches: (after) => tailLog({ pool, after, upcasters: {}, signal: stop.signal }),
    onApplied: (position) => {
      if (position < head || stop.signal.aborted) return;
      endedMs = performance.now();
      stop.abort();
    },
  });
  return perSecond(startedMs, endedMs);
};

/** Until the new rows stand with their indexes, and until they serve; equal to what the live projection wrote. */
const rebuild = async (
  pool: pg.Pool,
): Promise<{ readonly built: number; readonly whole: number; readonly holds: boolean }> => {
  const startedMs = performance.now();
  let builtMs = startedMs;
  const { parity } = await rebuildReadModel(
    {
      pool,
      schema: SCHEMA,
      upcasters: {},
      onProgress: ({ stage }) => {
        if (stage === 'compare') builtMs = performance.now();
      },
    },
    readModel,
  );
  return {
    built: perSecond(startedMs, builtMs),
    whole: perSecond(startedMs),
    holds: parity?.equal === true && parity.built.rows === EVENTS,
  };
};

/**
 * Replay into Node beside psql, and a live projection and a rebuild of one read model with temporal rows beside that
 * replay, in turns.
 */
export const projectionBench = async (): Promise<BenchReport> => {
  const server = await startBenchServer();
  const pool = createPool({ connectionString: server.urlFor('kontor_gateway') });
  const admin = createPool({ connectionString: server.adminUrl });
  try {
    await ensureReadModels({ pool, schema: SCHEMA, upcasters: {} }, [readModel]);
    await appendAll(server.urlFor('kontor_registry'));
    await admin.query('VACUUM ANALYZE es.event');
    await recycleLog(admin);
    const hasPsql = spawnSync('psql', ['--version']).status === 0;
    const load = machineFacts();
    const replays: number[] = [];
    const psql: number[] = [];
    const lives: number[] = [];
    const builds: number[] = [];
    const wholes: number[] = [];
    const checks = { replay: true, rebuild: true };
    for (let round = 0; round < ROUNDS; round += 1) {
      const replayed = await replay(pool);
      replays.push(replayed.rate);
      checks.replay &&= replayed.holds;
      if (hasPsql) psql.push(await psqlCopy(server.urlFor('kontor_gateway')));
      lives.push(await live(pool));
      const rebuilt = await rebuild(pool);
      builds.push(rebuilt.built);
      wholes.push(rebuilt.whole);
      checks.rebuild &&= rebuilt.holds;
    }
    const row = (what: string, ours: readonly number[], beside: readonly number[], bar: number | null): BenchRow => {
      const ratio = beside.length === 0 ? null : median(ours.map((rate, round) => rate / (beside[round] ?? NaN)));
      return {
        what,
        ours: median(ours),
        beside: beside.length === 0 ? null : median(beside),
        unit: 'events/s',
        ratio,
        bar,
        holds: bar === null || ratio === null || ratio >= bar,
      };
    };
    return {
      rows: [
        row('replay into Node, parsed, beside psql COPY text', replays, psql, REPLAY_FLOOR),
        row('rebuild of a read model, with indexes, beside replay', builds, replays, REBUILD_FLOOR),
        row('the same with comparison and swap', wholes, replays, null),
        row('live projection, temporal rows, beside replay', lives, replays, LIVE_FLOOR),
      ],
      notes: [
        `${EVENTS} events of ${STREAMS} streams, data ${JSON.stringify(dataOf(EVENTS)).length} bytes; ${ROUNDS} rounds in turns` +
          (hasPsql ? '' : '; no psql found'),
        `machine: ${load}`,
      ],
      checks: [
        { what: 'each replay gave every position once, with its data', holds: checks.replay },
        { what: `each rebuild gave the ${EVENTS} row versions that the live projection wrote`, holds: checks.rebuild },
      ],
    };
  } finally {
    await admin.end();
    await pool.end();
    await server.stop();
  }
};
