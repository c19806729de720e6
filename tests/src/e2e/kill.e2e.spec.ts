import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, holdAppends, prng, uuidv7 } from '@kontor/testing';
import { beforeAll, expect, it } from 'vitest';
import { mlflow, prepare } from '../bad-input/fixture.js';
import { kontor, type Platform, startPlatform } from '../platform.js';

const SEED = Number(process.env['KONTOR_SEED'] ?? Date.now() % 1_000_000);

/** How long a killed component may stay away; the longest took 5 s. */
const BACK_DEADLINE_MS = 30_000;
/** Work between two kills, so that each one hits traffic. */
const TRAFFIC_MS = 1_000;

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
  return platform.stop;
});

const shuffled = (items: readonly string[], random: () => number): readonly string[] =>
  items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);

const isBack = async (name: string, killed: number): Promise<boolean> => {
  const pid = platform.processes()[name];
  if (pid === undefined || pid === killed) return false;
  const { exitCode } = await kontor(['status'], { KONTOR_DATA_DIR: platform.dataDir });
  return exitCode === 0;
};

it('every component comes back from kill -9, and every acknowledged write is in the log exactly once', async () => {
  console.log(`seed ${SEED} (KONTOR_SEED repeats it)`);
  const { run, endpoint, model } = await prepare(platform);
  const acknowledged = new Set<number>();
  let sent = 0;
  let refused = 0;
  let inferred = 0;
  let stopped = false;

  // One writer that goes on with the next id, whatever became of the last one.
  const write = async (): Promise<void> => {
    while (!stopped) {
      const id = sent++;
      try {
        await mlflow(platform, 'runs/log-batch', {
          run_id: run,
          metrics: [{ key: 'traffic', value: id, timestamp: id, step: id }],
        });
        acknowledged.add(id);
      } catch {
        // The door is closed while a component is away. Nothing was promised, so nothing is expected.
        refused++;
        await sleep(100);
      }
    }
  };
  const inputs = (
    (await (await fetch(`${platform.servingUrl}/v2/models/${endpoint}`)).json()) as {
      inputs: { name: string; datatype: string }[];
    }
  ).inputs.map(({ name, datatype }) => ({ name, datatype, shape: [1, 1], data: [30] }));
  const infer = async (): Promise<void> => {
    while (!stopped) {
      const answer = await fetch(`${platform.servingUrl}/v2/models/${endpoint}/infer`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ inputs }),
      }).then(
        (response) => response.ok,
        () => false,
      );
      if (answer) inferred++;
      await sleep(20);
    }
  };
  const traffic = [write(), infer()];

  try {
    for (const name of shuffled(Object.keys(platform.processes()), prng(SEED))) {
      const pid = platform.processes()[name];
      if (pid === undefined) throw new Error(`${name} does not run`);
      const startedMs = performance.now();
      const writesBefore = acknowledged.size;
      process.kill(pid, 'SIGKILL');
      while (!(await isBack(name, pid))) {
        expect(performance.now() - startedMs, `${name} is still away\n${platform.output()}`).toBeLessThan(
          BACK_DEADLINE_MS,
        );
        await sleep(100);
      }
      const inferredBefore = inferred;
      while (acknowledged.size === writesBefore || inferred === inferredBefore) {
        const missing = inferred === inferredBefore ? 'inference' : 'write';
        expect(performance.now() - startedMs, `no ${missing} since ${name} was killed`).toBeLessThan(BACK_DEADLINE_MS);
        await sleep(50);
      }
      console.log(`${name} is back after ${Math.round(performance.now() - startedMs)} ms`);
      await sleep(TRAFFIC_MS);
    }
  } finally {
    stopped = true;
    await Promise.all(traffic);
  }

  const { exitCode, output } = await kontor(['events', '--type', 'RunDataLogged', '--json'], {
    KONTOR_DATA_DIR: platform.dataDir,
  });
  expect(exitCode, output).toBe(0);
  const times = new Map<number, number>();
  for (const line of output.trim().split('\n')) {
    const { data } = JSON.parse(line) as { data: { metrics: { key: string; step: number }[] } };
    for (const { key, step } of data.metrics) if (key === 'traffic') times.set(step, (times.get(step) ?? 0) + 1);
  }
  console.log(
    `${sent} writes sent, ${acknowledged.size} acknowledged, ${refused} refused, ${times.size} in the log; ${inferred} inferences`,
  );
  expect([...acknowledged].filter((id) => times.get(id) !== 1)).toEqual([]);
  expect([...times].filter(([, count]) => count !== 1)).toEqual([]);

  const served = await fetch(`${platform.servingUrl}/v2/models/${endpoint}/ready`);
  expect(served.status, model).toBe(200);
  const verified = await kontor(['replay', '--verify'], { KONTOR_DATA_DIR: platform.dataDir });
  expect(verified.exitCode, verified.output).toBe(0);
});

interface Made {
  readonly run: { readonly info: { readonly run_id: string } };
}

/** An experiment of its own, so that the run is the first thing that is appended. */
const experiment = async (name: string): Promise<string> => {
  const { experiment_id } = await mlflow<{ experiment_id: string }>(platform, 'experiments/create', { name });
  return experiment_id;
};

/** The runs of a name that the log says were started. */
const started = async (name: string): Promise<readonly string[]> => {
  const { exitCode, output } = await kontor(['events', '--type', 'RunStarted', '--json'], {
    KONTOR_DATA_DIR: platform.dataDir,
  });
  expect(exitCode, output).toBe(0);
  const runs = output
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { data: { runId: string; name: string } }).data);
  return runs.filter((run) => run.name === name).map(({ runId }) => runId);
};

const kill = (name: string): void => {
  const pid = platform.processes()[name];
  if (pid === undefined) throw new Error(`${name} does not run`);
  process.kill(pid, 'SIGKILL');
};

it('a registry that dies after an append and before its answer is asked again, and its client gets the one answer', async () => {
  const run = { experiment_id: await experiment('registry-killed'), run_name: 'registry-killed' };
  const held = await holdAppends(platform.superuserUrl, 'registry');
  const answer = mlflow<Made>(platform, 'runs/create', run);
  await held.waited();
  kill('registry');
  // PostgreSQL goes on for a client that is gone.
  await held.release();
  const { run_id } = (await answer).run.info;
  expect(await started('registry-killed')).toEqual([run_id]);
});

it('a gateway that dies before its answer gives it for the same key when it is back', async () => {
  const request = {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'Idempotency-Key': uuidv7() },
    body: JSON.stringify({ experiment_id: await experiment('gateway-killed'), run_name: 'gateway-killed' }),
  };
  const ask = () => fetch(`${platform.gatewayUrl}/api/2.0/mlflow/runs/create`, request);
  const held = await holdAppends(platform.superuserUrl, 'registry');
  const lost = ask();
  const failed = expect(lost).rejects.toThrow();
  await held.waited();
  kill('gateway');
  await failed;
  await held.release();
  const answer = await eventually(ask);
  const { run } = (await answer.json()) as Made;
  expect(await started('gateway-killed')).toEqual([run.info.run_id]);
});
