import { createHash } from 'node:crypto';
import type { AppendRequest, NewEvent } from '@kontor/event-sourcing';
import { createPool, createEventStore } from '@kontor/event-store';
import type pg from 'pg';
import { META, uuidv7 } from './workload.js';

/** What each run of a search bench holds: this many metrics and params, and one tag. */
const METRICS = 5;
const PARAMS = 3;
const IN_FLIGHT = 128;
const START_MS = 1_760_000_000_000;

/** Run `index` of a series, the same on both servers. */
const runOf = (series: string, index: number) => {
  const hash = createHash('sha256').update(`${series} ${index}`).digest();
  return {
    runId: hash.toString('hex', 0, 16),
    name: `run-${index}`,
    startTimeMs: START_MS + index * 1_000,
    // Evenly spread from 0 to 1, in no order.
    metrics: Array.from({ length: METRICS }, (_, metric) => ({
      key: metric === 0 ? 'accuracy' : `metric_${metric}`,
      value: hash.readUInt32BE(12 + 4 * metric) / 2 ** 32,
    })),
    params: Array.from({ length: PARAMS }, (_, param) => ({ key: `param_${param}`, value: `${hash[param] ?? 0}` })),
  };
};

/** Puts runs into an experiment of Kontor as the registry would: by the same append, past the HTTP door. */
export const seedKontor = async (superuserUrl: string, experimentId: string, runs: number): Promise<void> => {
  const pool = createPool({ connectionString: superuserUrl, max: 4 });
  // Services alone may write events, each those of its context.
  await pool.query(`INSERT INTO es.role_context VALUES (session_user, 'registry') ON CONFLICT DO NOTHING`);
  const store = createEventStore(pool, { upcasters: {} });
  try {
    let next = 0;
    const caller = async (): Promise<void> => {
      while (next < runs) {
        const { outcome } = await store.append(requestOf(experimentId, (next += 1) - 1));
        if (outcome !== 'appended') throw new Error(`an append answered ${outcome}`);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  } finally {
    await store.close();
    await pool.end();
  }
};

const requestOf = (experimentId: string, index: number): AppendRequest => {
  const { runId, name, startTimeMs, metrics, params } = runOf(experimentId, index);
  const artifactUri = `mlflow-artifacts:/${experimentId}/${runId}/artifacts`;
  const tags = [{ key: 'mlflow.runName', value: name }];
  const none = { isNaN: false, step: 0, loggedModelId: null, datasetName: null, datasetDigest: null };
  const points = metrics.map((metric) => ({ ...metric, timestampMs: startTimeMs, ...none }));
  const event = (type: string, data: object): NewEvent => ({
    ...{ eventId: uuidv7(), type, schemaVersion: 1, data: { runId, ...data }, meta: META },
  });
  return {
    commandId: uuidv7(),
    requestHash: new Uint8Array(32),
    actor: 'bench',
    writes: [
      {
        stream: `default/registry/run/${runId}`,
        expected: 'none',
        events: [
          event('RunStarted', { experimentId, name, userId: '', startTimeMs, artifactUri, tags }),
          event('RunDataLogged', { metrics: points, params, tags: [] }),
        ],
      },
    ],
  };
};

/** Puts the same runs into an experiment of MLflow, into the tables that its own store fills. @source MLflow 3.17, `SqlRun` */
export const seedMlflow = async (database: pg.Pool, experimentId: string, runs: number): Promise<void> => {
  const all = Array.from({ length: runs }, (_, index) => runOf(experimentId, index));
  for (let from = 0; from < runs; from += 5_000) {
    const some = all.slice(from, from + 5_000);
    const runIds = some.map(({ runId }) => runId);
    const metrics = some.flatMap(({ runId, startTimeMs, ...run }) =>
      run.metrics.map(({ key, value }) => ({ runId, key, value, startTimeMs })),
    );
    const params = some.flatMap(({ runId, ...run }) => run.params.map((param) => ({ runId, ...param })));
    await database.query(
      `INSERT INTO runs (run_uuid, name, user_id, status, start_time, lifecycle_stage, artifact_uri, experiment_id, source_type, source_name, entry_point_name)
       SELECT id, name, '', 'RUNNING', start_time, 'active', 'mlflow-artifacts:/' || $4 || '/' || id || '/artifacts', $4::int, 'UNKNOWN', '', ''
       FROM unnest($1::text[], $2::text[], $3::bigint[]) AS t(id, name, start_time)`,
      [runIds, some.map(({ name }) => name), some.map(({ startTimeMs }) => startTimeMs), experimentId],
    );
    const points = [
      metrics.map(({ key }) => key),
      metrics.map(({ value }) => value),
      metrics.map(({ startTimeMs }) => startTimeMs),
      metrics.map(({ runId }) => runId),
    ];
    for (const table of ['metrics', 'latest_metrics']) {
      await database.query(
        `INSERT INTO ${table} (key, value, timestamp, run_uuid, step, is_nan)
         SELECT key, value, timestamp, run, 0, false
         FROM unnest($1::text[], $2::float8[], $3::bigint[], $4::text[]) AS t(key, value, timestamp, run)`,
        points,
      );
    }
    await database.query(
      `INSERT INTO params (key, value, run_uuid) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])`,
      [params.map(({ key }) => key), params.map(({ value }) => value), params.map(({ runId }) => runId)],
    );
    await database.query(
      `INSERT INTO tags (key, value, run_uuid) SELECT 'mlflow.runName', * FROM unnest($1::text[], $2::text[])`,
      [some.map(({ name }) => name), runIds],
    );
  }
  await database.query('ANALYZE');
};
