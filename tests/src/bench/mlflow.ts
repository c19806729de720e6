import { eventually } from '@kontor/testing';
import { type Platform, startPlatform } from '../platform.js';
import type { LoadRequest, LoadResult } from './http-load.js';
import { load } from './load.js';
import { machineFacts } from './machine.js';
import { seedKontor, seedMlflow } from './mlflow-runs.js';
import { type RealMlflow, residentMib, startRealMlflow } from './mlflow-servers.js';
import { type BenchReport, type BenchRow, median, quantile, ratioRow, valueRow } from './report.js';

const ROUNDS = 3;
const SECONDS = 4;
const SEARCHED_RUNS = 20_000;
/** Growth is measured beside the smallest. @source the promise is within 2 times */
const GROWTH_RUNS = [1_000, 200_000] as const;
const GROWTH_BAR = 0.5;
const LONG_RUN_POINTS = 1_000_000;
const BATCH = 1_000;
const START_MS = 1_760_000_000_000;

/** The parts of answers that are read here. */
interface Answer {
  readonly experiment_id: string;
  readonly run: { readonly info: { readonly run_id: string } };
  readonly runs?: readonly unknown[];
}

type Call = (path: string, body: object) => Promise<Answer>;

/** One call of an API, which must succeed. */
const callOf =
  (url: string): Call =>
  async (path, body) => {
    const response = await fetch(`${url}/api/2.0/mlflow/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text) as Answer;
  };

interface Server {
  readonly url: string;
  readonly call: Call;
  /** An experiment for writes, and one with the searched runs. */
  readonly experimentId: string;
  readonly searchedId: string;
  /** Runs that batches go to, in turns. */
  readonly runIds: readonly string[];
}

const post = (path: string, body: object, expected: string): LoadRequest => ({
  path: `/api/2.0/mlflow/${path}`,
  body: JSON.stringify(body),
  expected,
});
const get = (path: string, expected: string): LoadRequest => ({
  ...{ method: 'GET', path: `/api/2.0/mlflow/${path}`, body: '', expected },
});

const metrics = (count: number, text = '{unique}') =>
  Array.from({ length: count }, (_, step) => ({
    ...{ key: `metric_${step % 10}-${text}`, value: step / count, timestamp: START_MS + step, step },
  }));

/** Points of ten metrics that no batch before has logged. */
const batches = ({ runIds }: Server, count: number): readonly LoadRequest[] =>
  runIds.map((run_id) => post('runs/log-batch', { run_id, metrics: metrics(count) }, '{'));

const search = (experimentId: string): LoadRequest =>
  post(
    'runs/search',
    {
      experiment_ids: [experimentId],
      filter: 'metrics.accuracy > 0.5',
      order_by: ['metrics.accuracy DESC'],
      max_results: 100,
    },
    '"accuracy"',
  );

interface Case {
  readonly what: string;
  readonly unit: string;
  readonly requests: (server: Server) => readonly LoadRequest[];
  /** Units of one call. */
  readonly perCall?: number;
  /** By number of connections. */
  readonly bars: Readonly<Record<number, number>>;
}

const CASES: readonly Case[] = [
  {
    what: 'create model version',
    unit: 'calls/s',
    requests: () => [post('model-versions/create', { name: 'bench', source: 's3://bench/{unique}' }, '"READY"')],
    bars: { 1: 5, 8: 15, 32: 25 },
  },
  {
    what: 'create run',
    unit: 'calls/s',
    requests: ({ experimentId }) => [
      post('runs/create', { experiment_id: experimentId, run_name: '{unique}', start_time: START_MS }, '"RUNNING"'),
    ],
    bars: { 1: 5, 8: 15, 32: 25 },
  },
  {
    what: 'log-batch of 100 metrics',
    unit: 'metrics/s',
    requests: (server) => batches(server, 100),
    perCall: 100,
    bars: { 8: 10 },
  },
  {
    what: 'log-batch of 1,000 metrics',
    unit: 'metrics/s',
    requests: (server) => batches(server, BATCH),
    perCall: BATCH,
    bars: { 8: 10 },
  },
  {
    what: `search ${SEARCHED_RUNS} runs by a metric, in its order`,
    unit: 'calls/s',
    requests: ({ searchedId }) => [search(searchedId)],
    bars: { 1: 10, 8: 10 },
  },
  {
    what: 'registered-models/get',
    unit: 'calls/s',
    requests: () => [get('registered-models/get?name=bench', '"bench"')],
    bars: { 8: 15 },
  },
  {
    what: 'model-versions/search by name',
    unit: 'calls/s',
    requests: () => [get("model-versions/search?filter=name%3D'searched'&max_results=100", '"searched"')],
    bars: { 8: 15 },
  },
];

const prepare = async (url: string): Promise<Server> => {
  const call = callOf(url);
  const experiment = async (name: string): Promise<string> =>
    (await call('experiments/create', { name })).experiment_id;
  const experimentId = await experiment('bench');
  const runIds: string[] = [];
  for (let index = 0; index < 32; index += 1) {
    const { run } = await call('runs/create', { experiment_id: experimentId, start_time: START_MS });
    runIds.push(run.info.run_id);
  }
  for (const name of ['bench', 'searched']) await call('registered-models/create', { name });
  for (let version = 0; version < 100; version += 1)
    await call('model-versions/create', { name: 'searched', source: `s3://bench/${version}` });
  return { url, call, experimentId, searchedId: await experiment('searched'), runIds };
};

/** Waits until all runs can be found: they were appended past the door that waits for rows. */
const untilFound = async ({ call }: Server, experimentId: string, name: string): Promise<void> => {
  await eventually(
    async () => {
      const { runs = [] } = await call('runs/search', {
        experiment_ids: [experimentId],
        filter: `run_name = '${name}'`,
        max_results: 1,
      });
      return runs.length > 0;
    },
    { timeoutMs: 300_000 },
  );
};

interface Pair {
  readonly ours: Server;
  readonly beside: Server;
}

/** MLflow's answers on kept connections can wait 40 ms for a delayed acknowledgement: its better side counts. */
const better = (kept: LoadResult, fresh: LoadResult): LoadResult => (fresh.perSecond > kept.perSecond ? fresh : kept);

const wrong: string[] = [];
const refuseWrong = (what: string, { wrong: count, firstWrong = '' }: LoadResult): void => {
  if (count > 0) wrong.push(`${what}: ${count} wrong answers, the first: ${firstWrong.slice(0, 300)}`);
};

const compare = async ({ what, unit, requests, perCall = 1, bars }: Case, pair: Pair): Promise<readonly BenchRow[]> => {
  const rows: BenchRow[] = [];
  for (const [connections, bar] of Object.entries(bars)) {
    const measured = { ours: [] as number[], beside: [] as number[] };
    const latenciesMs: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const options = { connections: Number(connections), seconds: SECONDS };
      const ours = await load({ ...options, url: pair.ours.url, requests: requests(pair.ours) });
      const beside = { ...options, url: pair.beside.url, requests: requests(pair.beside) };
      const theirs = better(await load(beside), await load({ ...beside, isFresh: true }));
      refuseWrong(`${what}, ours`, ours);
      refuseWrong(`${what}, MLflow's`, theirs);
      latenciesMs.push(...ours.latenciesMs);
      measured.ours.push(ours.perSecond * perCall);
      measured.beside.push(theirs.perSecond * perCall);
    }
    const named = `${what}, ${connections} connection${connections === '1' ? '' : 's'}`;
    rows.push(ratioRow(named, unit, measured, bar));
    rows.push(valueRow(`${named}, p99`, 'ms', quantile(latenciesMs, 0.99), what.startsWith('search') ? 50 : null));
    console.error(`${named}: ${rows.at(-2)?.ratio?.toFixed(1)} times`);
  }
  return rows;
};

/** A batch again that was logged before, on a run with a million points and on an empty one. */
const retries = async ({ call, experimentId, url }: Server): Promise<BenchRow> => {
  const runOf = async (): Promise<string> => {
    const { run } = await call('runs/create', { experiment_id: experimentId });
    return run.info.run_id;
  };
  const [long, empty] = [await runOf(), await runOf()];
  for (let batch = 0; batch < LONG_RUN_POINTS / BATCH; batch += 1)
    await call('runs/log-batch', { run_id: long, metrics: metrics(BATCH, `${batch}`) });
  await call('runs/log-batch', { run_id: empty, metrics: metrics(BATCH, '0') });
  const rates = { ours: [] as number[], beside: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1)
    for (const [side, run_id] of [
      ['ours', long],
      ['beside', empty],
    ] as const) {
      const requests = [post('runs/log-batch', { run_id, metrics: metrics(BATCH, '0') }, '{')];
      const result = await load({ url, requests, connections: 1, seconds: SECONDS });
      refuseWrong('a batch again', result);
      rates[side].push(result.perSecond);
    }
  return ratioRow('the same 1,000 metrics again: run of 1 M points / of 1,000', 'calls/s', rates, 0.9);
};

const growth = async (server: Server, superuserUrl: string): Promise<readonly BenchRow[]> => {
  const rows: BenchRow[] = [];
  const rateOf = async (requests: readonly LoadRequest[]): Promise<readonly number[]> => {
    const rates: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const result = await load({ url: server.url, requests, connections: 1, seconds: SECONDS });
      refuseWrong('growth', result);
      rates.push(result.perSecond);
    }
    return rates;
  };
  const searched = [{ runs: SEARCHED_RUNS, experimentId: server.searchedId }];
  const batch = { small: await rateOf(batches(server, 100)), large: [] as readonly number[] };
  for (const runs of GROWTH_RUNS) {
    const { experiment_id } = await server.call('experiments/create', { name: `growth-${runs}` });
    await seedKontor(superuserUrl, experiment_id, runs);
    await untilFound(server, experiment_id, `run-${runs - 1}`);
    searched.push({ runs, experimentId: experiment_id });
    console.error(`${runs} runs more`);
  }
  batch.large = await rateOf(batches(server, 100));
  const rates = new Map<number, readonly number[]>();
  for (const { runs, experimentId } of searched) rates.set(runs, await rateOf([search(experimentId)]));
  const [smallest = 0] = GROWTH_RUNS;
  for (const runs of [SEARCHED_RUNS, ...GROWTH_RUNS.slice(1)])
    rows.push(
      ratioRow(
        `search in an experiment of ${runs} runs / of ${smallest}`,
        'calls/s',
        { ours: rates.get(runs) ?? [], beside: rates.get(smallest) ?? [] },
        GROWTH_BAR,
      ),
    );
  const names = `log-batch of 100 with ${SEARCHED_RUNS + GROWTH_RUNS[0] + GROWTH_RUNS[1]} runs / with ${SEARCHED_RUNS}`;
  rows.push(ratioRow(names, 'calls/s', { ours: batch.large, beside: batch.small }, GROWTH_BAR));
  return rows;
};

/** The gateway's and the registry's process, without the servers that both products need. */
const ownPids = (platform: Platform): readonly number[] =>
  ['gateway', 'registry'].flatMap((name) => platform.processes()[name] ?? []);

const restartMs = async (platform: Platform): Promise<number> => {
  const pids = ownPids(platform);
  const started = performance.now();
  for (const pid of pids) process.kill(pid, 'SIGTERM');
  const answers = async (): Promise<boolean> => {
    if (ownPids(platform).some((pid) => pids.includes(pid))) return false;
    try {
      const path = `${platform.gatewayUrl}/api/2.0/mlflow/registered-models/create`;
      const body = JSON.stringify({ name: `ready-${performance.now()}` });
      return (await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).ok;
    } catch {
      return false; // nobody listens yet
    }
  };
  await eventually(answers, { timeoutMs: 60_000 });
  return performance.now() - started;
};

/** Kontor beside a real MLflow server on PostgreSQL: the same requests from the same program, in turns. */
export const mlflowBench = async (): Promise<BenchReport> => {
  const mlflow: RealMlflow = await startRealMlflow();
  const platform = await startPlatform();
  try {
    const pair = { ours: await prepare(platform.gatewayUrl), beside: await prepare(mlflow.url) };
    const memory = { ours: residentMib(ownPids(platform)), beside: residentMib(mlflow.pids()) };
    await seedKontor(platform.superuserUrl, pair.ours.searchedId, SEARCHED_RUNS);
    await seedMlflow(mlflow.database, pair.beside.searchedId, SEARCHED_RUNS);
    await untilFound(pair.ours, pair.ours.searchedId, `run-${SEARCHED_RUNS - 1}`);
    console.error(`${SEARCHED_RUNS} runs on both sides`);
    const rows: BenchRow[] = [];
    for (const one of CASES) rows.push(...(await compare(one, pair)));
    const many = await load({
      url: platform.gatewayUrl,
      requests: batches(pair.ours, BATCH),
      connections: 32,
      seconds: SECONDS,
    });
    refuseWrong('log-batch of 1,000 at 32 connections', many);
    rows.push(valueRow('log-batch of 1,000 at 32 connections, failed', 'calls', many.wrong, 0));
    rows.push(await retries(pair.ours));
    rows.push(...(await growth(pair.ours, platform.superuserUrl)));
    const ready = { ours: [] as number[], beside: [] as number[] };
    for (let round = 0; round < ROUNDS; round += 1) {
      ready.ours.push(1_000 / (await restartMs(platform)));
      await mlflow.restart();
      ready.beside.push(1_000 / mlflow.readyAfterMs());
    }
    rows.push(ratioRow('ready after process start', '1/s', ready, 5));
    rows.push({
      ...{ what: 'memory at rest, gateway and registry / all of MLflow', ...memory, unit: 'MiB' },
      ...{ ratio: memory.ours / memory.beside, bar: 0.2, holds: memory.ours / memory.beside <= 0.2 },
    });
    return {
      rows,
      notes: [
        `mlflow server 3.17.2 with its default workers, on PostgreSQL with the same settings; the better of kept and fresh connections counts`,
        `${ROUNDS} rounds of ${SECONDS} s in turns; ready after ${(1_000 / median(ready.ours)).toFixed(0)} ms and ${(1_000 / median(ready.beside)).toFixed(0)} ms`,
        `machine: ${machineFacts()}`,
      ],
      checks: [
        { what: `every answer was right${wrong.map((text) => `; ${text}`).join('')}`, holds: wrong.length === 0 },
      ],
    };
  } finally {
    await platform.stop();
    await mlflow.stop();
  }
};
