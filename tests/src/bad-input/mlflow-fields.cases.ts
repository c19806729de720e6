import type { MlflowCase } from './mlflow-case.js';

/** What every field of every call refuses: absent, of another type, too long, of characters that names do not have. */

type Fields = Readonly<Record<string, unknown>>;

/** A call whose fields are all right: each case spoils one of them. `$name` stands for what the fixture made. */
const CALLS: Readonly<Record<string, Fields>> = {
  'POST experiments/create': { name: 'never' },
  'GET experiments/get': { experiment_id: '$experiment' },
  'GET experiments/get-by-name': { experiment_name: 'bad-input' },
  'POST experiments/delete': { experiment_id: '99999' },
  'POST experiments/restore': { experiment_id: '99999' },
  'POST experiments/update': { experiment_id: '99999', new_name: 'never' },
  'POST experiments/set-experiment-tag': { experiment_id: '$experiment', key: 'k', value: 'v' },
  'POST experiments/delete-experiment-tag': { experiment_id: '$experiment', key: 'k' },
  'GET runs/get': { run_id: '$run' },
  'POST runs/update': { run_id: '$deletedRun', status: 'FAILED' },
  'POST runs/delete': { run_id: 'nobody' },
  'POST runs/restore': { run_id: 'nobody' },
  'POST runs/log-metric': { run_id: '$run', key: 'm', value: 1, timestamp: 1, step: 1 },
  'POST runs/log-parameter': { run_id: '$run', key: 'p', value: 'v' },
  'POST runs/set-tag': { run_id: '$run', key: 't', value: 'v' },
  'POST runs/delete-tag': { run_id: '$run', key: 't' },
  'POST runs/log-batch': { run_id: '$run', metrics: [], params: [], tags: [] },
  'POST runs/log-inputs': { run_id: '$run', datasets: [] },
  'POST runs/outputs': { run_id: '$run', models: [{ model_id: '$loggedModel' }] },
  'POST runs/log-model': { run_id: '$run', model_json: '{}' },
  'GET metrics/get-history': { run_id: '$run', metric_key: 'm' },
  'GET metrics/get-history-bulk-interval': { run_ids: ['$run'], metric_key: 'm' },
  'GET artifacts/list': { run_id: '$run' },
  'POST registered-models/create': { name: 'never' },
  'GET registered-models/get': { name: '$model' },
  'PATCH registered-models/update': { name: '$model', description: '' },
  'POST registered-models/rename': { name: '$model', new_name: 'never' },
  'DELETE registered-models/delete': { name: '$model' },
  'POST registered-models/get-latest-versions': { name: '$model' },
  'GET registered-models/get-latest-versions': { name: '$model' },
  'POST registered-models/set-tag': { name: '$model', key: 'k', value: 'v' },
  'DELETE registered-models/delete-tag': { name: '$model', key: 'k' },
  'POST registered-models/alias': { name: '$model', alias: 'a', version: '1' },
  'DELETE registered-models/alias': { name: '$model', alias: 'a' },
  'GET registered-models/alias': { name: '$model', alias: 'a' },
  'POST model-versions/create': { name: '$model', source: 's3://bucket/model' },
  'GET model-versions/get': { name: '$model', version: '1' },
  'PATCH model-versions/update': { name: '$model', version: '1', description: '' },
  'POST model-versions/transition-stage': { name: '$model', version: '1', stage: 'None' },
  'DELETE model-versions/delete': { name: '$model', version: '1' },
  'POST model-versions/set-tag': { name: '$model', version: '1', key: 'k', value: 'v' },
  'DELETE model-versions/delete-tag': { name: '$model', version: '1', key: 'k' },
  'POST logged-models': { experiment_id: '$experiment' },
  'POST logged-models/search': { experiment_ids: ['$experiment'] },
};

const OPTIONAL = /^(value|status|step|description|metrics|params|tags|datasets)$/;

const call = (name: string, fields: Fields, says: string): MlflowCase => {
  const [method, path] = name.split(' ') as ['GET', string];
  const query = new URLSearchParams(
    Object.entries(fields).flatMap(([field, value]) =>
      [value].flat().map((item): [string, string] => [field, String(item)]),
    ),
  );
  const asked = `mlflow/${path}${method === 'GET' && query.size > 0 ? `?${query.toString().replaceAll('%24', '$')}` : ''}`;
  return {
    method,
    path: asked,
    ...(method !== 'GET' && { body: fields }),
    status: 400,
    code: 'INVALID_PARAMETER_VALUE',
    says,
  };
};

/** Of each call, each required field: absent, and the other fields right. */
const absent = Object.entries(CALLS).flatMap(([name, fields]) =>
  Object.keys(fields)
    .filter((field) => !OPTIONAL.test(field) || name.endsWith('log-metric'))
    .filter((field) => field !== 'step')
    .map((field) => {
      const { [field]: _, ...others } = fields;
      return call(name, others, `Missing value for required parameter '${field}'. See the API docs`);
    }),
);

/** Of each call with a body, each field: of a type that it does not have. */
const ofAnotherType = Object.entries(CALLS)
  .filter(([name]) => !name.startsWith('GET'))
  .flatMap(([name, fields]) =>
    Object.keys(fields)
      .filter((field) => field !== 'status')
      .map((field) => {
        const says = `Invalid value {"a":[1]} for parameter '${field}' supplied:  Hint: Value was of type 'dict'. See the API docs`;
        return call(name, { ...fields, [field]: { a: [1] } }, says);
      }),
  );

export const fieldCases: readonly MlflowCase[] = [...absent, ...ofAnotherType];
