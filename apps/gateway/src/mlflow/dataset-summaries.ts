import { runEntity } from '../registry/registry.entities.js';
import { endpoint } from './endpoint.js';
import { invalid } from './errors.js';
import { checkedExperimentId } from './experiments.js';
import { repeated, string } from './message.js';
import { DATASET_CONTEXT } from './search.js';

const MAX_EXPERIMENTS = 20;
const MAX_SUMMARIES = 1000;

/**
 * Which datasets the runs of some experiments read, deleted runs included, each once per context.
 *
 * @source MLflow 3.18.0, `search_datasets_impl` of mlflow/server/handlers.py; only its page asks.
 */
export const datasetSummaryEndpoint = endpoint({
  method: 'POST',
  path: '/mlflow/experiments/search-datasets',
  isAjaxOnly: true,
  reads: true,
  fields: { experiment_ids: repeated(string) },
  handle: async ({ experiment_ids }, call) => {
    if (experiment_ids.length === 0) throw invalid('SearchDatasets request must specify at least one experiment_id.');
    if (experiment_ids.length > MAX_EXPERIMENTS) {
      throw invalid(
        `SearchDatasets request cannot specify more than ${MAX_EXPERIMENTS} experiment_ids. ` +
          `Received ${experiment_ids.length} experiment_ids.`,
      );
    }
    const rows = await call.rows();
    const conditions = rows.conditions();
    conditions.join(`CROSS JOIN LATERAL json_array_elements(body->'datasets') d`);
    conditions.add(`"experimentId" = ANY (${conditions.bind(experiment_ids.map(checkedExperimentId))})`);
    const summaries = await rows.distinct(
      runEntity,
      {
        experiment_id: '"experimentId"',
        name: `d->>'name'`,
        digest: `d->>'digest'`,
        context: DATASET_CONTEXT,
      },
      conditions,
      MAX_SUMMARIES,
    );
    return {
      ...(summaries.length > 0 && {
        dataset_summaries: summaries.map(({ context, ...summary }) => ({
          ...summary,
          ...(context !== null && { context }),
        })),
      }),
    };
  },
});
