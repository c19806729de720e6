import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Platform, repositoryRoot } from '../platform.js';

const MODEL_FILES = join(repositoryRoot(), 'apps/cli/demo/employment/models/employment-rules-1');

/** What the cases name: `$run` in a path or body stands for the id of the run. */
export type Names = Readonly<
  Record<'experiment' | 'run' | 'deletedRun' | 'model' | 'endpoint' | 'loggedModel' | 'webhook' | 'trace', string>
>;

/** Replaces `$name` in every text of a value. */
export const withNames = <T>(value: T, names: Names): T =>
  JSON.parse(
    JSON.stringify(value).replace(/\$([a-zA-Z]+)/g, (whole, name: string) => names[name as keyof Names] ?? whole),
  ) as T;

/** A call of MLflow's API that must succeed; of its second version unless the path says more. */
export const mlflow = async <T>(platform: Platform, path: string, body: object): Promise<T> => {
  const response = await fetch(`${platform.gatewayUrl}${path.startsWith('/') ? path : `/api/2.0/mlflow/${path}`}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
  return JSON.parse(text) as T;
};

/** How long a model may take from its registration until serving answers for it; it took 2 s on two busy cores. */
const LOAD_DEADLINE_MS = 60_000;

const untilServed = async (platform: Platform, endpoint: string): Promise<void> => {
  const deadline = performance.now() + LOAD_DEADLINE_MS;
  for (;;) {
    const { ok, status } = await fetch(`${platform.servingUrl}/v2/models/${endpoint}/ready`);
    if (ok) return;
    if (performance.now() > deadline) throw new Error(`${endpoint} is not served after a minute: ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

/** A run with a param, a deleted run, a webhook, a judged trace, and a registered model that is served in staging. */
export const prepare = async (platform: Platform): Promise<Names> => {
  const { experiment_id: experiment } = await mlflow<{ experiment_id: string }>(platform, 'experiments/create', {
    name: 'bad-input',
  });
  const start = async (run_name: string) => {
    const { run } = await mlflow<{ run: { info: { run_id: string } } }>(platform, 'runs/create', {
      experiment_id: experiment,
      run_name,
    });
    return run.info.run_id;
  };
  const run = await start('kept');
  const deletedRun = await start('deleted');
  await mlflow(platform, 'runs/delete', { run_id: deletedRun });
  await mlflow(platform, 'runs/log-parameter', { run_id: run, key: 'depth', value: '3' });
  for (const file of ['decision-table.json', 'golden.json']) {
    const { ok, status } = await fetch(
      `${platform.gatewayUrl}/api/2.0/mlflow-artifacts/artifacts/${experiment}/${run}/artifacts/model/${file}`,
      { method: 'PUT', body: readFileSync(join(MODEL_FILES, file)) },
    );
    if (!ok) throw new Error(`the upload of ${file} answered ${status}`);
  }
  const { model: logged } = await mlflow<{ model: { info: { model_id: string } } }>(platform, 'logged-models', {
    experiment_id: experiment,
    name: 'logged',
    params: [{ key: 'depth', value: '3' }],
  });
  const { webhook } = await mlflow<{ webhook: { webhook_id: string } }>(platform, 'webhooks', {
    ...{ name: 'never-called', url: 'https://93.184.216.34/', status: 'DISABLED' },
    events: [{ entity: 'BUDGET_POLICY', action: 'EXCEEDED' }],
  });
  const { trace_info } = await mlflow<{ trace_info: { request_id: string } }>(platform, 'traces', {
    experiment_id: experiment,
  });
  const trace = trace_info.request_id;
  await mlflow(platform, `/api/3.0/mlflow/traces/${trace}/assessments`, {
    assessment: { assessment_id: 'a-kept', assessment_name: 'kept', feedback: { value: true } },
  });
  const model = 'rules';
  await mlflow(platform, 'registered-models/create', { name: model });
  await mlflow(platform, 'model-versions/create', { name: model, source: `runs:/${run}/model`, run_id: run });
  const endpoint = `${model}-staging`;
  await untilServed(platform, endpoint);
  const loggedModel = logged.info.model_id;
  return { experiment, run, deletedRun, model, endpoint, loggedModel, webhook: webhook.webhook_id, trace };
};
