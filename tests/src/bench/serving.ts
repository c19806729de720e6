import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RouteEntry } from '@kontor/domain/deployment';
import { embeddedConfig, lockDataDirectory, resolveNatsServer, startNats } from '@kontor/embedded';
import { connectNats, ensureStreams, TELEMETRY_STREAM } from '@kontor/messaging';
import { eventually, prng, treeModel } from '@kontor/testing';
import { repositoryRoot } from '../platform.js';
import type { LoadRequest, LoadResult } from './http-load.js';
import { load, type LoadOptions } from './load.js';
import { jetstream } from '@nats-io/jetstream';
import { machineFacts } from './machine.js';
import { type BenchReport, type BenchRow, median, quantile } from './report.js';

const ROUNDS = 3;
const SECONDS = 2;
const WARM_UP_SECONDS = 3;
const CONNECTIONS = 16;
const ROWS = 32;
/** One row, trees, 20 features: 0.46 was measured with a prototype that checks little, and checks may cost a quarter of it. */
const RATIO_FLOOR = 0.35;
const TREES = { trees: 100, depth: 5, width: 20 };
/** Rows of each model's golden file; the requests are made of them. */
const SAMPLES = 50;
const SEED = 20;

const models = join(repositoryRoot(), 'apps/cli/demo/employment/models');
const servingMain = join(repositoryRoot(), 'apps/serving/dist/main.js');
const local = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly data: readonly number[];
}
interface Golden {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** A process that says its address when it listens. Its log stays unread: no deployment service answers its reports. */
const startServer = async (
  program: string,
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly child: ChildProcess; readonly url: string }> => {
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${program} ended with code ${String(code)} before it listened`);
  });
  const [ready] = (await Promise.race([once(child, 'message'), ended])) as [{ addresses: { serving: string } }];
  ended.catch(() => undefined);
  return { child, url: ready.addresses.serving };
};

const cpuSeconds = async (url: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (\S+)/m.exec(text)?.[1]);
};

interface Measured extends LoadResult {
  /** Of the server's process, all its threads. */
  readonly cpuMicrosPerRequest: number;
}

const measure = async (options: LoadOptions): Promise<Measured> => {
  const before = await cpuSeconds(options.url);
  const result = await load(options);
  return { ...result, cpuMicrosPerRequest: ((await cpuSeconds(options.url)) - before) * (1e6 / result.answers) };
};

/** Rows `from` to `from + count` of tensors whose first dimension is the row. */
const rowsOf = (tensors: readonly Tensor[], from: number, count: number): Tensor[] =>
  tensors.map((tensor) => {
    const width = tensor.shape.slice(1).reduce((product, size) => product * size, 1);
    const data = tensor.data.slice(from * width, (from + count) * width);
    return { ...tensor, shape: [count, ...tensor.shape.slice(1)], data };
  });

/** The part of an answer that is the same each time; everything around it names the prediction. */
const outputsText = (answer: string): string => answer.slice(answer.indexOf('"outputs":'));

/** What a serving process holds: three endpoints, named like their models, in a data directory of its own. */
const prepare = async (directory: string) => {
  const store = async (bytes: Uint8Array): Promise<string> => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    await mkdir(join(directory, 'artifacts', 'sha256', hex.slice(0, 2)), { recursive: true });
    await writeFile(join(directory, 'artifacts', 'sha256', hex.slice(0, 2), hex), bytes);
    return `sha256:${hex}`;
  };
  const chance = prng(SEED);
  const trees = treeModel(TREES, chance);
  const rows = Array.from({ length: SAMPLES }, () => Array.from({ length: TREES.width }, chance));
  const treesGolden: Golden = {
    inputs: [{ name: 'x', datatype: 'FP32', shape: [SAMPLES, TREES.width], data: rows.flat() }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [SAMPLES, 1], data: rows.map((row) => trees.answer(row)) }],
  };
  const read = (path: string) => readFile(join(models, path));
  const golden = {
    trees: Buffer.from(JSON.stringify(treesGolden)),
    employment: await read('employment-1/golden.json'),
    rules: await read('employment-rules-1/golden.json'),
  };
  const files = {
    trees: trees.model,
    employment: await read('employment-1/model.onnx'),
    rules: await read('employment-rules-1/decision-table.json'),
  };
  const entries: RouteEntry[] = [];
  for (const endpoint of ['trees', 'employment', 'rules'] as const) {
    const digest = await store(files[endpoint]);
    entries.push({
      workspace: 'default',
      endpoint,
      environment: 'production',
      streamVersion: 1,
      suspended: false,
      salt: 'kontor',
      revisions: [
        {
          revisionId: `${endpoint}-1`,
          weightBps: 10_000,
          version: { modelName: endpoint, version: 1, manifestDigest: digest },
          servable: {
            flavor: endpoint === 'rules' ? 'decision-table' : 'onnx',
            digest,
            sizeBytes: files[endpoint].length,
            goldenDigest: await store(golden[endpoint]),
          },
        },
      ],
    });
  }
  await mkdir(join(directory, 'serving'));
  await writeFile(join(directory, 'serving', 'routes.json'), JSON.stringify(entries));
  const inputs = (json: Buffer): readonly Tensor[] => (JSON.parse(json.toString()) as Golden).inputs;
  return { trees: inputs(golden.trees), employment: inputs(golden.employment), rules: inputs(golden.rules) };
};

/** The different prediction ids on the telemetry stream. */
const recordedIds = async (natsUrl: string): Promise<Set<string>> => {
  const nc = await connectNats(natsUrl, 'kontor-bench');
  const ids = new Set<string>();
  try {
    const consumer = await jetstream(nc).consumers.get(TELEMETRY_STREAM);
    for (let left = (await consumer.info()).num_pending; left > 0; left -= 1) {
      const message = await consumer.next();
      for (const { predictionId } of message?.json<{ predictionId: string }[]>() ?? []) ids.add(predictionId);
    }
  } finally {
    await nc.close();
  }
  return ids;
};

/** Requests to a serving process with its telemetry on, beside the same bytes sent to bare node:http that sends them back. */
export const servingScenario = async (): Promise<BenchReport> => {
  const directory = await mkdtemp(join(tmpdir(), 'kontor-bench-'));
  const lock = await lockDataDirectory(directory);
  const silent = (): void => undefined;
  const { path: binary } = await resolveNatsServer({ dataDir: directory, config: embeddedConfig(), log: silent });
  const nats = await startNats({ dataDir: directory, binary, log: silent });
  const nc = await connectNats(nats.url, 'kontor-bench');
  await ensureStreams(nc, { origin: 'kontor.example/log/0', base: 0n });
  await nc.close();
  const inputs = await prepare(directory);
  const serving = await startServer(servingMain, {
    KONTOR_DATA_DIR: directory,
    KONTOR_SERVING_PORT: '0',
    KONTOR_NATS_URL: nats.url,
  });
  const echo = await startServer(local('echo-server'));
  const machine = machineFacts();
  try {
    await eventually(async () => (await fetch(`${serving.url}/v2/health/ready`)).status === 200);
    let asked = 0;
    const answerAlone = async (path: string, body: string): Promise<string> => {
      const response = await fetch(serving.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      asked += 1;
      if (response.status !== 200) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
      return outputsText(await response.text());
    };
    const requestsOf = async (endpoint: keyof typeof inputs, rows: number) => {
      const path = `/v2/models/${endpoint}/infer`;
      const ours: LoadRequest[] = [];
      for (let from = 0; from + rows <= SAMPLES; from += 1) {
        const body = JSON.stringify({ inputs: rowsOf(inputs[endpoint], from, rows) });
        ours.push({ path, body, expected: await answerAlone(path, body) });
      }
      return { ours, echo: ours.map(({ body }): LoadRequest => ({ path, body, expected: body })) };
    };
    const wrong: string[] = [];
    const compare = async (what: string, endpoint: keyof typeof inputs, rows: number, connections: number) => {
      const requests = await requestsOf(endpoint, rows);
      const runs: { ours: Measured; beside: Measured }[] = [];
      for (let round = -1; round < ROUNDS; round += 1) {
        const seconds = round < 0 ? WARM_UP_SECONDS : SECONDS;
        const ours = await measure({ url: serving.url, requests: requests.ours, connections, seconds });
        const beside = await measure({ url: echo.url, requests: requests.echo, connections, seconds });
        asked += ours.answers;
        for (const { firstWrong } of [ours, beside]) if (firstWrong !== undefined) wrong.push(firstWrong);
        if (round >= 0) runs.push({ ours, beside });
      }
      return { what, rows, runs };
    };
    const compared = [
      await compare('one row, 100 trees over one tensor of 20', 'trees', 1, CONNECTIONS),
      await compare('one row, 40 trees over 16 inputs', 'employment', 1, CONNECTIONS),
      await compare('one row, decision table over 16 inputs', 'rules', 1, CONNECTIONS),
      await compare('32 rows, 100 trees over one tensor of 20', 'trees', ROWS, CONNECTIONS),
      await compare('32 rows, decision table over 16 inputs', 'rules', ROWS, CONNECTIONS),
      await compare('one row, one connection, 100 trees', 'trees', 1, 1),
    ];
    const metrics = await (await fetch(`${serving.url}/metrics`)).text();
    const dropped = Number(/^kontor_payload_dropped_total\{reason="row"\} (\d+)/m.exec(metrics)?.[1]);
    const stripped = Number(/^kontor_payload_dropped_total\{reason="payload"\} (\d+)/m.exec(metrics)?.[1]);
    const ended = once(serving.child, 'exit');
    serving.child.kill('SIGTERM');
    await ended;
    const recorded = await recordedIds(nats.url);
    const row = ({ what, runs }: (typeof compared)[number], index: number): BenchRow[] => {
      const compareBy = (
        value: (measured: Measured) => number,
        unit: string,
        ratioOf: (ours: number, beside: number) => number,
      ): BenchRow => {
        const ratio = median(runs.map(({ ours, beside }) => ratioOf(value(ours), value(beside))));
        const bar = index === 0 ? RATIO_FLOOR : null;
        const [ours, beside] = [
          median(runs.map((run) => value(run.ours))),
          median(runs.map((run) => value(run.beside))),
        ];
        return { what, ours, beside, unit, ratio, bar, holds: bar === null || ratio >= bar };
      };
      return [
        compareBy(
          ({ perSecond }) => perSecond,
          'requests/s',
          (ours, beside) => ours / beside,
        ),
        // Neighbours on the machine take time from both, but add little to what each needs.
        compareBy(
          ({ cpuMicrosPerRequest }) => cpuMicrosPerRequest,
          'µs CPU/request',
          (ours, beside) => beside / ours,
        ),
      ];
    };
    const p99 = (measured: readonly Measured[]): string =>
      quantile(
        measured.flatMap((one) => one.latenciesMs),
        0.99,
      ).toFixed(1);
    return {
      rows: compared.flatMap(row),
      notes: [
        ...compared.map(({ what, runs }) => {
          const ours = runs.map((run) => run.ours);
          const beside = runs.map((run) => run.beside);
          return `${what}: p99 ${p99(ours)} ms beside ${p99(beside)} ms`;
        }),
        `ratio: requests/s of ours to those of bare node:http, and CPU of bare node:http to ours`,
        `beside: bare node:http that reads the same body and sends it back; ${CONNECTIONS} connections unless one is said, rounds of ${SECONDS} s`,
        `telemetry: ${recorded.size} records on JetStream, ${dropped} dropped, ${stripped} without features`,
        `machine: ${machine}`,
      ],
      checks: [
        {
          what: `every answer is the one that its row has alone${wrong[0] === undefined ? '' : `: ${wrong[0]}`}`,
          holds: wrong.length === 0,
        },
        {
          what: `${asked} answers: each has a record of its own, or its drop was counted`,
          holds: recorded.size + dropped === asked,
        },
      ],
    };
  } finally {
    serving.child.kill('SIGKILL');
    echo.child.kill('SIGTERM');
    await nats.stop();
    await lock.release();
    await rm(directory, { recursive: true, force: true });
  }
};
