import type { MlflowCase } from './mlflow-case.js';

/** What the calls refuse that evaluations are made with. */

const summaries = (experiment_ids: unknown, says: string): MlflowCase => ({
  path: '/ajax-api/2.0/mlflow/experiments/search-datasets',
  body: { experiment_ids },
  status: 400,
  code: 'INVALID_PARAMETER_VALUE',
  says,
});

export const evaluationCases: readonly MlflowCase[] = [
  summaries([], 'SearchDatasets request must specify at least one experiment_id.'),
  summaries(Array.from({ length: 21 }).fill('0'), 'cannot specify more than 20 experiment_ids. Received 21'),
  summaries(['x'], "Invalid experiment ID 'x'. Experiment ID must be a valid integer."),
  summaries('0', 'Invalid value "0" for parameter \'experiment_ids\''),
  {
    path: 'mlflow/experiments/search-datasets',
    body: { experiment_ids: ['0'] },
    status: 404,
    code: 'ENDPOINT_NOT_FOUND',
    says: 'POST /api/2.0/mlflow/experiments/search-datasets is not served by Kontor.',
  },
];
